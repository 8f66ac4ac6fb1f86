import fs from 'node:fs';
import path from 'node:path';
import type { SequencedEvent, UnitOfWork } from '@syncline/events';
import { startTestRedis, type TestRedis, temporaryFolder, waitFor } from '@syncline/testkit';
import { createInspector } from '../src/inspector';
import { deciderOf, Engine, request, silent } from './harness';

const PREFIX = 'torn';
const EVENTS = 3;
const lane = 'violet:1';
const servers: TestRedis[] = [];
const engines: Engine[] = [];

afterEach(async () => {
  for (const engine of engines.splice(0)) await engine.close();
  for (const server of servers.splice(0)) await server.stop();
});

async function serve(directory?: string): Promise<TestRedis> {
  const server = await startTestRedis({ appendfsync: 'always', ...(directory !== undefined && { directory }) });
  servers.push(server);
  return server;
}

function engineOn(server: TestRedis): Engine {
  const engine = new Engine(server.url, PREFIX);
  engines.push(engine);
  return engine;
}

const requests = Array.from({ length: EVENTS }, () => request('1'));

/** Counts in the merchant's state, so that an effect that came twice, or half, shows. */
async function count(event: SequencedEvent, unit: UnitOfWork): Promise<void> {
  const held = ((await unit.get('ledger', 'count')) as number | undefined) ?? 0;
  unit.put('ledger', 'count', held + 1);
  unit.put('ledger', `of-${event.seq}`, event.eventId);
}

/** A data folder in which three events were accepted one by one, and then committed by one step. */
async function written(): Promise<string> {
  const server = await serve();
  const engine = engineOn(server);
  const acceptor = engine.acceptor();
  for (const one of requests) expect(await acceptor.accept(one)).toEqual({ status: 'accepted' });
  const worker = await engine.worker(deciderOf(count));
  await waitFor(() => worker.counts.commits.length === EVENTS);
  await engine.close();
  await server.kill();
  return server.directory;
}

const logOf = (directory: string): string => path.join(directory, 'appendonlydir', 'appendonly.aof.1.incr.aof');

/** Where the first script that writes what `marks` stands for begins and ends in the append-only file. */
function scriptIn(directory: string, marks: string): { from: number; to: number } {
  const log = fs.readFileSync(logOf(directory), 'latin1');
  const from = log.lastIndexOf('*1\r\n$5\r\nMULTI', log.indexOf(marks));
  const exec = '*1\r\n$4\r\nEXEC\r\n';
  const to = log.indexOf(exec, from) + exec.length;
  expect(from).toBeGreaterThan(0);
  expect(to - from).toBeGreaterThan(500);
  return { from, to };
}

/** A server on a copy of the folder whose append-only file ends at `size`, started twice. */
async function serveTorn(directory: string, size: number): Promise<TestRedis> {
  const copy = temporaryFolder();
  fs.cpSync(directory, copy, { recursive: true });
  fs.truncateSync(logOf(copy), size);
  const server = await serve(copy);
  await server.restart();
  return server;
}

const within = ({ from, to }: { from: number; to: number }): number[] =>
  [20, 0.5, -20].map((at) => (Math.abs(at) < 1 ? Math.round(from + (to - from) * at) : at > 0 ? from + at : to + at));

test('a commit that was torn on its way to disk did not happen, after one restart and after two, and is made once', async () => {
  const directory = await written();
  for (const size of within(scriptIn(directory, `{${PREFIX}:0}:history:${lane}`))) {
    const server = await serveTorn(directory, size);
    const engine = engineOn(server);
    const inspector = createInspector({
      redisUrl: server.url,
      prefix: PREFIX,
      shards: 1,
      dedupWindowMs: () => 3_600_000,
      log: silent,
    });
    engine.onClose(() => inspector.stop());
    await waitFor(() =>
      inspector.ping().then(
        () => true,
        () => false,
      ),
    );
    expect(await inspector.lane(lane)).toMatchObject({ depth: EVENTS });
    expect((await inspector.history(lane, { limit: 10 })).items).toEqual([]);
    expect(await inspector.countDocuments(lane, 'ledger')).toBe(0);

    const worker = await engine.worker(deciderOf(count));
    await waitFor(() => worker.counts.commits.length === EVENTS);
    expect((await inspector.history(lane, { limit: 10 })).items.map(({ seq }) => seq)).toEqual([1, 2, 3]);
    expect(await inspector.document(lane, 'ledger', 'count')).toBe(EVENTS);
    await engine.close();
    await server.stop();
  }
});

test('an accept that was torn on its way to disk did not happen: its id is not remembered either', async () => {
  const directory = await written();
  const lastId = requests.at(-1)?.event.eventId ?? '';
  for (const size of within(scriptIn(directory, `"i":"${lastId}"`))) {
    const server = await serveTorn(directory, size);
    const engine = engineOn(server);
    const acceptor = engine.acceptor();
    expect(await Promise.all(requests.map((one) => acceptor.accept(one)))).toEqual([
      { status: 'duplicate' },
      { status: 'duplicate' },
      { status: 'accepted' },
    ]);
    await engine.close();
    await server.stop();
  }
});
