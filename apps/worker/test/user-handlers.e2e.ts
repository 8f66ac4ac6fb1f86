import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { spawnApp, startTestRedis, waitFor } from '@syncline/testkit';

/** Modules are loaded by Node itself, in a process of its own: inside jest there are no native ES modules. */
const program = `
  const { loadUserHandlers } = require(process.argv[1]);
  process.on('message', async ({ path, cwd }) => {
    try {
      const handlers = await loadUserHandlers(path, cwd);
      const results = await Promise.all(handlers.map((handler) => handler.handle({ topic: 'T' })));
      process.send({ handlers: handlers.map(({ source, topics, external }) => ({ source, topics, external })), results });
    } catch (error) {
      process.send({ code: error.code, problems: error.problems ?? [String(error.stack)] });
    }
  });
`;

interface Loaded {
  readonly handlers?: { source: string; topics: string[]; external?: boolean }[];
  readonly results?: unknown[];
  readonly code?: string;
  readonly problems?: string[];
}

const compiled = join(__dirname, '../dist/user-handlers.js');

let loader: ChildProcess;
let folder: string;

beforeAll(() => {
  if (!existsSync(compiled))
    throw new Error(`Expected the compiled worker at ${compiled}, got nothing. Build first: npm run build`);
  loader = spawn(process.execPath, ['-e', program, compiled], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
});

afterAll(async () => {
  const exited = once(loader, 'exit');
  loader.disconnect();
  await exited;
});

beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'syncline-handlers-')));
});

afterEach(async () => {
  await rm(folder, { recursive: true });
});

async function load(path: string, cwd = folder): Promise<Loaded> {
  const answered = once(loader, 'message');
  loader.send({ path, cwd });
  const [answer] = (await answered) as [Loaded];
  return answer;
}

/** Loads a module with this text, given as a file of this name. */
async function loadText(name: string, content: string): Promise<Loaded> {
  const file = join(folder, name);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, content);
  return load(name);
}

const handler = `{ source: 'violet', topics: ['OFFER_*', 'ORDER_UPDATED'], external: true, handle: (event) => 'handled ' + event.topic }`;
const loaded: Loaded = {
  handlers: [{ source: 'violet', topics: ['OFFER_*', 'ORDER_UPDATED'], external: true }],
  results: ['handled T'],
};

describe('HANDLERS', () => {
  it.each([
    ['a CommonJS module', 'handlers.cjs', `module.exports = { handlers: [${handler}] };`],
    ['a CommonJS module with a named export', 'handlers.cjs', `exports.handlers = [${handler}];`],
    [
      'a CommonJS module whose exports are not found by their names',
      'handlers.cjs',
      `module.exports = Object.fromEntries([['handlers', [${handler}]]]);`,
    ],
    [
      'a transpiled CommonJS module',
      'handlers.cjs',
      `Object.defineProperty(exports, '__esModule', { value: true }); exports.default = { handlers: [${handler}] };`,
    ],
    ['an ES module', 'handlers.mjs', `export const handlers = [${handler}];`],
    ['an ES module with a default export', 'handlers.mjs', `export default { handlers: [${handler}] };`],
    ['an ES module that awaits at its top level', 'handlers.mjs', `export const handlers = await Promise.resolve([${handler}]);`],
    ['a .js file of an ES package', 'package/handlers.js', `export const handlers = [${handler}];`],
    ['a file whose name needs escaping', 'my handlers #1 %20?.mjs', `export const handlers = [${handler}];`],
  ])('loads %s', async (_, name, content) => {
    await mkdir(join(folder, 'package'));
    await writeFile(join(folder, 'package', 'package.json'), '{"type":"module"}');
    expect(await loadText(name, content)).toEqual(loaded);
  });

  it('is taken from the working directory unless it is absolute', async () => {
    await mkdir(join(folder, 'one'));
    await writeFile(join(folder, 'one', 'handlers.mjs'), `export const handlers = [${handler}];`);
    expect(await load('one/handlers.mjs')).toEqual(loaded);
    expect(await load('./handlers.mjs', join(folder, 'one'))).toEqual(loaded);
    expect(await load('../one/handlers.mjs', join(folder, 'one'))).toEqual(loaded);
    expect(await load(join(folder, 'one', 'handlers.mjs'), '/')).toEqual(loaded);
  });

  it('may name a module without any handlers in its array', async () => {
    expect(await loadText('none.mjs', 'export const handlers = [];')).toEqual({ handlers: [], results: [] });
  });

  it('keeps the objects as the module made them, with their methods and state', async () => {
    const content = `class Orders { source = 'violet'; topics = ['*']; #calls = 0; handle() { this.#calls += 1; return this.#calls; } }
      export const handlers = [new Orders()];`;
    expect(await loadText('class.mjs', content)).toMatchObject({ results: [1] });
  });

  it('accepts every field of a handler', async () => {
    const content = `export const handlers = [{ name: 'n', source: 's', topics: ['*'], payload: { parse: (value) => value }, external: false, reads: () => [], handle() {} },
      { source: 's', topics: [''.padEnd(3, 'x')], payload: Object.assign(() => 1, { safeParse() {} }), name: undefined, handle: async () => 5 }];`;
    expect(await loadText('full.mjs', content)).toMatchObject({ results: [null, 5] });
  });
});

describe('HANDLERS is refused with what to do', () => {
  it.each([
    [
      'names no file',
      'absent.mjs',
      /^HANDLERS: expected a module, got no readable file\. Correct the path, .*: .*\/absent\.mjs$/,
    ],
    ['names nothing inside a file', 'absent.mjs/inner.mjs', /^HANDLERS: expected a module, got no readable file/],
    ['names a folder', '.', /^HANDLERS: expected a module, got a folder or device\. Name the file itself: \//],
    ['holds a zero byte', 'a\0b', /^HANDLERS: expected a module, got no readable file/],
  ])('when it %s', async (_, path, problem) => {
    const { code, problems } = await load(path);
    expect({ code, problems }).toEqual({ code: 'CONFIGURATION', problems: [expect.stringMatching(problem)] });
  });

  it.each([
    [
      'throws',
      'm.mjs',
      `throw new TypeError('no database');`,
      /expected a module that loads, got TypeError: no database\. Correct the module, or unset HANDLERS: .*m\.mjs$/,
    ],
    ['throws in CommonJS', 'm.cjs', `throw new Error('no database');`, /got Error: no database\./],
    ['throws no error', 'm.mjs', `throw 'a text';`, /got a thrown value: a text\./],
    ['rejects at its top level', 'm.mjs', `await Promise.reject(new Error('no database'));`, /got Error: no database\./],
    [
      'is no JavaScript',
      'm.mjs',
      `export const handlers = [;`,
      /got SyntaxError: Unexpected token ';' \(node --check shows where\)\. .*m\.mjs$/,
    ],
    ['is no JavaScript in CommonJS', 'm.cjs', `module.exports = {`, /got SyntaxError: .* at .*m\.cjs:1\./],
    [
      'imports what is not there',
      'm.mjs',
      `import 'a-package-that-is-nowhere'; export const handlers = [];`,
      /got Error: Cannot find package 'a-package-that-is-nowhere'/,
    ],
    ['requires what is not there', 'm.cjs', `require('./nowhere');`, /got Error: Cannot find module '\.\/nowhere'/],
    ['is no module', 'm.txt', `handlers`, /got TypeError: Unknown file extension/],
    [
      'exports undefined handlers',
      'm.mjs',
      `export const handlers = undefined;`,
      /expected the module to export handlers, an array, got none/,
    ],
    ['exports nothing', 'm.mjs', ``, /expected the module to export handlers, an array, got none\. Add: export const handlers/],
    [
      'exports the array alone',
      'm.mjs',
      `export default [${handler}];`,
      /expected the module to export handlers, an array, got none/,
    ],
    ['exports null', 'm.cjs', `module.exports = null;`, /expected the module to export handlers, an array, got none/],
    [
      'exports handlers under another name',
      'm.mjs',
      `export const handler = [];`,
      /expected the module to export handlers, an array, got none/,
    ],
  ])('when the module %s', async (_, name, content, problem) => {
    const { code, problems } = await loadText(name, content);
    expect({ code, problems }).toEqual({ code: 'CONFIGURATION', problems: [expect.stringMatching(problem)] });
  });

  it.each([
    ['null', 'expected an array of handlers, got null in handlers'],
    ['{}', 'expected an array of handlers, got an object in handlers'],
    ['() => []', 'expected an array of handlers, got a function in handlers'],
    ['[null]', 'expected a handler object, got null in handlers[0]'],
    ['[() => 1]', 'expected a handler object, got a function in handlers[0]'],
    [`[${handler}, 'x']`, 'expected a handler object, got "x" in handlers[1]'],
    [`[{ topics: ['*'], handle() {} }]`, `expected a sender's name such as 'violet', got nothing in handlers[0].source`],
    [`[{ source: '', topics: ['*'], handle() {} }]`, `expected a sender's name such as 'violet', got "" in handlers[0].source`],
    [`[{ source: 's', handle() {} }]`, 'expected an array of topics, got nothing in handlers[0].topics'],
    [`[{ source: 's', topics: 'T', handle() {} }]`, 'expected an array of topics, got "T" in handlers[0].topics'],
    [`[{ source: 's', topics: [], handle() {} }]`, 'expected at least one topic, got an empty array in handlers[0].topics'],
    [`[{ source: 's', topics: ['T', 5], handle() {} }]`, 'expected a topic, got 5 in handlers[0].topics[1]'],
    [
      `[{ source: 's', topics: ['*_ADDED'], handle() {} }]`,
      'expected a topic, or the beginning of topics followed by a single *, got "*_ADDED" in handlers[0].topics[0]',
    ],
    [
      `[{ source: 's', topics: ['T**'], handle() {} }]`,
      'expected a topic, or the beginning of topics followed by a single *, got "T**" in handlers[0].topics[0]',
    ],
    [`[{ source: 's', topics: ['T'] }]`, 'expected a function, got nothing in handlers[0].handle'],
    [`[{ source: 's', topics: ['T'], handle: 'f' }]`, 'expected a function, got "f" in handlers[0].handle'],
    [
      `[{ source: 's', topics: ['T'], handle() {}, external: 'yes' }]`,
      'expected true or false, got "yes" in handlers[0].external',
    ],
    [
      `[{ source: 's', topics: ['T'], handle() {}, payload: { type: 'object' } }]`,
      'expected a schema with safeParse or parse, got an object in handlers[0].payload',
    ],
    [
      `[{ source: 's', topics: ['T'], handle() {}, payload: null }]`,
      'expected a schema with safeParse or parse, got null in handlers[0].payload',
    ],
    [`[{ source: 's', topics: ['T'], handle() {}, reads: [] }]`, 'expected a function, got an empty array in handlers[0].reads'],
    [`[{ source: 's', topics: ['T'], handle() {}, name: '' }]`, 'expected a text that is not empty, got "" in handlers[0].name'],
    [
      `[{ source: 's', topics: ['T'], handle() {}, extrenal: true }]`,
      'expected no other fields than name, source, topics, payload, external, reads, handle, got extrenal in handlers[0]',
    ],
  ])('when handlers are %s', async (handlers, problem) => {
    const { code, problems } = await loadText('wrong.mjs', `export const handlers = ${handlers};`);
    expect({ code, problems }).toEqual({
      code: 'CONFIGURATION',
      problems: [`HANDLERS: ${problem} of ${join(folder, 'wrong.mjs')}`],
    });
  });

  it('with all problems at once', async () => {
    const { problems } = await loadText(
      'wrong.mjs',
      `export const handlers = [{ source: 5, topics: ['T'] }, { topics: [''] , handle: 1 }];`,
    );
    expect(problems?.map((problem) => problem.replace(/ of .*$/, ''))).toEqual([
      "HANDLERS: expected a sender's name such as 'violet', got 5 in handlers[0].source",
      'HANDLERS: expected a function, got nothing in handlers[0].handle',
      "HANDLERS: expected a sender's name such as 'violet', got nothing in handlers[1].source",
      'HANDLERS: expected a topic, got "" in handlers[1].topics[0]',
      'HANDLERS: expected a function, got 1 in handlers[1].handle',
    ]);
  });
});

test('a worker that runs code kept from an earlier start loads them as well', async () => {
  const redis = await startTestRedis();
  const file = join(folder, 'handlers.mjs');
  await writeFile(file, `export const handlers = [${handler}];`);
  const kept = join(__dirname, '../dist/compiled');
  const start = () => spawnApp('worker', { REDIS_URL: redis.url, HANDLERS: file });
  const first = await start();
  await waitFor(() => existsSync(kept) && readdirSync(kept).length > 0);
  await first.stop();
  const second = await start();
  expect(await second.stop()).toEqual({ code: 0, signal: null });
  await redis.stop();
});
