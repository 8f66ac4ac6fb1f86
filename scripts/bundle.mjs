// Bundles the app in the working directory, with all that it needs, into dist/bundle.js, run by dist/main.js, which takes the place of what
// the compiler wrote there: one file loads in half the time of 700.
import fs from 'node:fs';
import path from 'node:path';
import { build } from 'esbuild';

const { metafile } = await build({
  entryPoints: ['src/main.ts'],
  outfile: 'dist/bundle.js',
  bundle: true,
  platform: 'node',
  target: 'node20',
  // Our packages from their sources: what an app does not use is left out.
  conditions: ['source'],
  mainFields: ['module', 'main'],
  // Stays outside: the guard of the local Redis, a program of its own, found through node_modules; and what may import modules of users.
  external: ['@syncline/runtime/package.json', './import-module', 'msgpackr-extract'],
  // Looking for its native helper takes longer than the helper saves here.
  define: { 'process.env.MSGPACKR_NATIVE_ACCELERATION_DISABLED': '"true"' },

  sourcemap: 'linked',
  sourcesContent: false,
  metafile: true,
  logLevel: 'warning',
});

// All ASCII, which is read and compiled fastest: esbuild has escaped what is not, but for comments and regular expressions.
const escaped = (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
const code = fs.readFileSync('dist/bundle.js', 'utf8');
fs.writeFileSync('dist/bundle.js', code.replace(/[^\n -~\t\r]/g, escaped));

// The Lua steps stay files, beside the bundle: code and steps of different builds must never meet.
const lanes = path.join(import.meta.dirname, '..', 'packages', 'lanes');
const inputs = Object.keys(metafile.inputs).map((input) => path.resolve(input));
for (const folder of ['dist/lua', 'dist/compiled']) fs.rmSync(folder, { recursive: true, force: true });
if (inputs.includes(path.join(lanes, 'src', 'script.ts'))) fs.cpSync(path.join(lanes, 'lua'), 'dist/lua', { recursive: true });
fs.copyFileSync(path.join(import.meta.dirname, 'run-bundle.cjs'), 'dist/main.js');
