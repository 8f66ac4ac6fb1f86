// npm run check: everything that must hold before a change goes in, except the tests that need Redis. All steps run; failures come last.
import path from 'node:path';
import { root, setUp } from './setup.mjs';
import { runStep, seconds } from './step.mjs';

await setUp();

const bin = (name, file) => path.join(root, 'node_modules', name, 'bin', file);
const steps = [
  ['Format', bin('@biomejs/biome', 'biome'), 'format', '.'],
  ['Lint', bin('oxlint', 'oxlint'), '--type-aware', '--deny-warnings'],
  ['Boundaries', bin('turbo', 'turbo'), 'boundaries'],
  ['Types', bin('typescript', 'tsc'), '-b'],
  ['Unit tests', bin('jest', 'jest.js'), '--config', 'jest.config.cjs', '--testPathPatterns', '\\.(test|property)\\.ts$'],
];
const env = { ...process.env, TURBO_TELEMETRY_DISABLED: '1', DO_NOT_TRACK: '1' };

const failures = [];
for (const [name, program, ...args] of steps) {
  const { status, output, ms } = await runStep(name, process.execPath, [program, ...args], { cwd: root, env });
  console.log(`${status === 0 ? '✓' : '✗'} ${name} (${seconds(ms)})`);
  if (status !== 0) failures.push({ name, output });
}
for (const { name, output } of failures) console.error(`\n${name} failed:\n${output.trimEnd()}`);
console.log(failures.length === 0 ? 'All checks passed.' : `\nFailed: ${failures.map(({ name }) => name).join(', ')}`);
process.exit(failures.length === 0 ? 0 : 1);
