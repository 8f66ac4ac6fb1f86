import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { type CommandOptions, runCommand } from './command';

/** The commands' environment, and what ends them. */
export type FetchOptions = Pick<CommandOptions, 'env' | 'signal'>;

/**
 * Fetches redis-server and the libraries it lacks from the distribution's package archive and unpacks them into `<cacheDirectory>/root`.
 * Needs no root and installs nothing; apt checks the signatures. Returns why it failed, or undefined when the copy is there.
 */
export async function fetchFromDistribution(cacheDirectory: string, options: FetchOptions): Promise<string | undefined> {
  for (const tool of ['apt-get', 'dpkg-deb']) {
    if ((await runCommand(tool, ['--version'], options)).status !== 0) return `there is no ${tool} to fetch one with`;
  }
  // Unpacked beside its place and then renamed, so that a run that is killed, or another at the same time, leaves no half copy.
  const draft = `${cacheDirectory}.${randomUUID()}`;
  try {
    const failure = await fetchInto(draft, options);
    if (failure !== undefined) return failure;
    for (const folder of ['debs', 'lists', 'apt']) fs.rmSync(path.join(draft, folder), { recursive: true, force: true });
    fs.rmSync(cacheDirectory, { recursive: true, force: true });
    fs.renameSync(draft, cacheDirectory);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    fs.rmSync(draft, { recursive: true, force: true });
  }
}

async function fetchInto(draft: string, options: FetchOptions): Promise<string | undefined> {
  for (const folder of ['debs', 'root', 'lists/partial', 'apt/archives/partial'])
    fs.mkdirSync(path.join(draft, folder), { recursive: true });
  const debs = path.join(draft, 'debs');
  const privateLists = [
    '-o',
    `Dir::State::lists=${draft}/lists`,
    '-o',
    `Dir::Cache=${draft}/apt`,
    '-o',
    'Debug::NoLocking=1',
    ...sandboxUser(),
  ];

  const plan = async (settings: readonly string[]): Promise<string[]> => {
    // Reinstalling plans a download also where the packages are installed but cannot be used; where they are not it changes nothing.
    const simulation = ['install', '-s', '--reinstall', '--no-install-recommends', 'redis-server', 'redis-tools'];
    const { output } = await runCommand('apt-get', [...settings, ...simulation], options);
    return [...output.matchAll(/^Inst (\S+)/gm)].flatMap(([, name]) => name ?? []);
  };
  const download = (settings: readonly string[], names: readonly string[]) =>
    runCommand('apt-get', [...settings, '-q', 'download', ...names], { ...options, cwd: debs });

  const noCache = ['-o', `Dir::Cache=${draft}/apt`, ...sandboxUser()];
  let names = await plan(noCache);
  if (names.length === 0 || (await download(noCache, names)).status !== 0) {
    // The system has no package lists, or stale ones.
    await runCommand('apt-get', [...privateLists, '-q', 'update'], options);
    names = await plan(privateLists);
    if (names.length === 0) return 'the distribution offers no redis-server package, or its archive cannot be reached';
    const { status, output } = await download(privateLists, names);
    if (status !== 0) return `apt-get could not download ${names.join(', ')}: ${output.trim().split('\n').at(-1) ?? ''}`;
  }
  for (const file of fs.readdirSync(debs)) {
    const { status, output } = await runCommand('dpkg-deb', ['-x', path.join(debs, file), path.join(draft, 'root')], options);
    if (status !== 0) return `dpkg-deb could not unpack ${file}: ${output.trim()}`;
  }
  return undefined;
}

/** As root, apt would change to a user that cannot write here. */
function sandboxUser(): string[] {
  try {
    return ['-o', `APT::Sandbox::User=${os.userInfo().username}`];
  } catch {
    return [];
  }
}
