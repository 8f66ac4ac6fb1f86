// What every command of a fresh clone needs first: the packages of the lockfile, and everything built. Does only what is missing.
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { runStep, seconds, tailOf } from './step.mjs';

export const root = path.resolve(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), '..');

const OLDEST_NODE = [20, 19];
const modules = path.join(root, 'node_modules');
const cache = path.join(root, '.cache');
/** There while an installation is under way: one that was killed leaves it behind. */
const installingMark = path.join(cache, 'installing');
const buildStamp = path.join(modules, '.cache', 'syncline-build');

/** Installs and builds what is missing or has changed, one line for each; exits with 1 and the reason when that fails. */
export async function setUp() {
  checkNode();
  await install();
  await build();
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  const [oldestMajor, oldestMinor] = OLDEST_NODE;
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) return;
  fail(
    `Expected Node ${OLDEST_NODE.join('.')} or later, got ${process.versions.node}. Install a newer Node from https://nodejs.org and run the command again.`,
  );
}

async function install() {
  if (isInstalled()) return;
  fs.mkdirSync(cache, { recursive: true });
  fs.writeFileSync(installingMark, '');
  const [command, ...leading] = process.env.npm_execpath?.endsWith('.js')
    ? [process.execPath, process.env.npm_execpath]
    : ['npm'];
  const args = [...leading, 'ci', '--include=dev', '--ignore-scripts', '--no-audit', '--no-fund'];
  const { status, output, ms } = await runStep('Installing packages (npm ci)', command, args, { cwd: root });
  if (status !== 0) {
    fail(
      `npm ci failed:\n${tailOf(output)}\n  Check the connection to the package registry (npm ping), then run the command again.`,
    );
  }
  fs.rmSync(installingMark, { force: true });
  console.log(`Packages: ${count(wantedPackages())} installed from package-lock.json in ${seconds(ms)}`);
}

/** True when node_modules holds what the lockfile asks for, whoever installed it. */
function isInstalled() {
  const record = path.join(modules, '.package-lock.json');
  if (fs.existsSync(installingMark) || !fs.existsSync(record)) return false;
  const installed = JSON.parse(fs.readFileSync(record, 'utf8')).packages ?? {};
  return Object.entries(wantedPackages()).every(([location, wanted]) => {
    const found = installed[location];
    if (found === undefined) return wanted.optional === true || !location.startsWith('node_modules/');
    return found.version === wanted.version && fs.existsSync(path.join(root, location, 'package.json'));
  });
}

function wantedPackages() {
  const { packages } = JSON.parse(fs.readFileSync(path.join(root, 'package-lock.json'), 'utf8'));
  delete packages[''];
  return packages;
}

const count = (packages) =>
  `${Object.keys(packages).filter((location) => fs.existsSync(path.join(root, location))).length} packages`;

async function build() {
  const sources = hashOfSources();
  if (readIfThere(buildStamp) === sources && workspaces().every((folder) => fs.existsSync(path.join(folder, 'dist')))) return;
  fs.rmSync(buildStamp, { force: true });
  const turbo = path.join(modules, 'turbo', 'bin', 'turbo');
  const env = { ...process.env, TURBO_TELEMETRY_DISABLED: '1', DO_NOT_TRACK: '1' };
  const { status, output, ms } = await runStep(
    'Building (turbo run build)',
    process.execPath,
    [turbo, 'run', 'build', '--output-logs=errors-only'],
    { cwd: root, env },
  );
  if (status !== 0)
    fail(`The build failed:\n${tailOf(output)}\n  Mend what it names, or see the whole with: npx turbo run build`);
  fs.mkdirSync(path.dirname(buildStamp), { recursive: true });
  fs.writeFileSync(buildStamp, sources);
  console.log(`Build: ${workspaces().length} workspaces up to date in ${seconds(ms)}`);
}

function workspaces() {
  return ['packages', 'apps'].flatMap((group) =>
    fs
      .readdirSync(path.join(root, group))
      .map((name) => path.join(root, group, name))
      .filter((folder) => fs.existsSync(path.join(folder, 'package.json'))),
  );
}

/** Changes when anything changes that the build depends on. */
function hashOfSources() {
  const hash = createHash('sha256').update(process.versions.node);
  const add = (file) => {
    if (fs.existsSync(file)) hash.update(`\0${path.relative(root, file)}\0`).update(fs.readFileSync(file));
  };
  for (const name of ['package-lock.json', 'tsconfig.base.json', 'turbo.json', 'scripts/bundle.mjs', 'scripts/run-bundle.cjs'])
    add(path.join(root, name));
  for (const folder of workspaces()) {
    for (const name of ['package.json', 'tsconfig.json', 'turbo.json']) add(path.join(folder, name));
    for (const sourceFolder of ['src', 'lua'].map((name) => path.join(folder, name))) {
      if (!fs.existsSync(sourceFolder)) continue;
      for (const entry of fs.readdirSync(sourceFolder, { recursive: true, withFileTypes: true })) {
        if (entry.isFile()) add(path.join(entry.parentPath ?? entry.path, entry.name));
      }
    }
  }
  return hash.digest('hex');
}

function readIfThere(file) {
  return fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : undefined;
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
