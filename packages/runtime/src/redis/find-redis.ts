import fs from 'node:fs';
import path from 'node:path';
import { ConfigurationError, type Environment } from '../config';
import { repositoryRoot } from '../locations';
import { runCommand } from './command';
import { fetchFromDistribution } from './fetch-redis';

/** A Redis or Valkey server program that runs on this machine. */
export interface RedisProgram {
  readonly name: 'redis-server' | 'valkey-server';
  readonly binary: string;
  readonly version: string;
  readonly origin: 'PATH' | 'private copy' | 'distribution packages';
  /** Where the program's shared libraries are, when they came with it. */
  readonly libraryPath?: string;
}

export type FoundRedis =
  | { readonly kind: 'url'; readonly url: string }
  | { readonly kind: 'program'; readonly program: RedisProgram };

export interface FindRedisSettings {
  readonly env: Environment;
  /** The folder of the private copy; `.cache/redis` in the clone by default. */
  readonly cacheDirectory?: string;
  /** Told what is being done when it takes seconds. */
  readonly report?: (line: string) => void;
  /** Ends a fetch that is under way. */
  readonly signal?: AbortSignal;
}

const programNames = ['redis-server', 'valkey-server'] as const;
const OLDEST = { major: 6, minor: 2 };

/** Finds the Redis to use: REDIS_URL, a server on PATH, the private copy, or one fetched now. Throws a ConfigurationError with the ways out. */
export async function findRedis(settings: FindRedisSettings): Promise<FoundRedis> {
  const url = settings.env.REDIS_URL?.trim();
  return url ? { kind: 'url', url } : { kind: 'program', program: await findRedisProgram(settings) };
}

/** Finds a server program of version 6.2 or later: on PATH, the private copy of an earlier run, or fetched now from the distribution's packages. */
export async function findRedisProgram({
  env,
  cacheDirectory = path.join(repositoryRoot, '.cache', 'redis'),
  report,
  signal,
}: FindRedisSettings): Promise<RedisProgram> {
  const rejected: string[] = [];
  const found = (await findOnPath(env, rejected)) ?? (await findPrivateCopy(cacheDirectory, 'private copy'));
  if (found !== undefined) return found;
  report?.('Redis: none installed, fetching a private copy from the distribution packages (nothing is installed on the system)');
  const failure = await fetchFromDistribution(cacheDirectory, { env, signal });
  const fetched = failure === undefined ? await findPrivateCopy(cacheDirectory, 'distribution packages') : undefined;
  if (fetched !== undefined) return fetched;
  throw new ConfigurationError([
    `Expected a Redis or Valkey server of version ${OLDEST.major}.${OLDEST.minor} or later, got none (${[...rejected, failure ?? 'the fetched copy does not run here'].join('; ')}). Do one of:
    1. set REDIS_URL to a running Redis, for instance REDIS_URL=redis://127.0.0.1:6379
    2. install one: apt-get install redis-server, or brew install redis
    3. run everything in containers: docker compose up`,
  ]);
}

/** One line for people: the program, its version and where it came from. */
export function describeRedisProgram({ name, version, origin, binary }: RedisProgram): string {
  return `${name} ${version} (${origin}: ${binary})`;
}

/** The environment that the program, and its AOF checker, must run with. */
export function programEnvironment({ libraryPath }: RedisProgram): NodeJS.ProcessEnv {
  return { ...process.env, ...(libraryPath ? { LD_LIBRARY_PATH: libraryPath } : {}) };
}

async function findOnPath(env: Environment, rejected: string[]): Promise<RedisProgram | undefined> {
  const folders = (env.PATH ?? '').split(path.delimiter).filter(Boolean);
  for (const name of programNames) {
    for (const folder of folders) {
      const binary = path.join(folder, name);
      if (!fs.existsSync(binary)) continue;
      const program = await probe({ name, binary, origin: 'PATH' });
      if (program !== undefined) return program;
      rejected.push(`${binary} is older or does not run`);
    }
  }
  return undefined;
}

async function findPrivateCopy(cacheDirectory: string, origin: RedisProgram['origin']): Promise<RedisProgram | undefined> {
  const root = path.join(cacheDirectory, 'root');
  const libraryPath = ['usr/lib', 'lib']
    .flatMap((folder) => subfolders(path.join(root, folder)).filter((name) => name.endsWith('-linux-gnu')))
    .join(path.delimiter);
  for (const name of programNames) {
    const binary = path.join(root, 'usr', 'bin', name);
    if (!fs.existsSync(binary)) continue;
    const program = await probe({ name, binary, origin, libraryPath });
    if (program !== undefined) return program;
  }
  return undefined;
}

function subfolders(folder: string): string[] {
  return fs.existsSync(folder) ? fs.readdirSync(folder).map((name) => path.join(folder, name)) : [];
}

/** The program with its version, if it runs here and is new enough. */
async function probe(candidate: Omit<RedisProgram, 'version'>): Promise<RedisProgram | undefined> {
  const { output } = await runCommand(candidate.binary, ['--version'], {
    env: programEnvironment({ ...candidate, version: '' }),
  });
  const [, major, minor, patch] = /(?:Redis|Valkey) server v=(\d+)\.(\d+)\.(\S+)/i.exec(output) ?? [];
  if (major === undefined || minor === undefined || patch === undefined) return undefined;
  const newEnough = Number(major) > OLDEST.major || (Number(major) === OLDEST.major && Number(minor) >= OLDEST.minor);
  return newEnough ? { ...candidate, version: `${major}.${minor}.${patch}` } : undefined;
}
