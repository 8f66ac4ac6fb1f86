import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { startTestRedis, type TestRedis, waitFor } from '@syncline/testkit';
import { ShardKeys } from '../src/keys';
import { Permit } from '../src/permit';
import { LaneProtocol, newFence } from '../src/protocol';
import { deciderOf, Engine, request, claimAndRead } from './harness';

let redis: TestRedis;
let engine: Engine;
const children: ChildProcess[] = [];

beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis.stop());
beforeEach(() => {
  engine = new Engine(redis.url);
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await engine.close();
});

function start(
  role: string,
  argument: string,
  shards = '1',
): { child: ChildProcess; output: () => string; exited: Promise<void> } {
  const child = spawn(process.execPath, [join(__dirname, 'child.cjs'), role, engine.url, engine.prefix, argument, shards]);
  children.push(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  return { child, output: () => output, exited: new Promise((resolve) => child.once('exit', () => resolve())) };
}

/** As if the time of the run that holds the lane were over: waiting for it would take as long as a lease. */
async function letLeasePass(lane: string): Promise<void> {
  const keys = new ShardKeys(engine.prefix, 0);
  await engine.redis().multi().hset(keys.lane(lane), 'lease', 0).zadd(keys.running, 0, lane).exec();
}

test('an event whose ingress died between the append and the arming is processed all the same', async () => {
  const orphan = request('1');
  const ingress = start('accept-and-die', JSON.stringify(orphan));
  await ingress.exited;
  expect(ingress.child.signalCode).toBe('SIGKILL');
  const client = engine.redis();
  const keys = new ShardKeys(engine.prefix, 0);
  expect(await client.llen(keys.queue('violet:1'))).toBe(1);
  expect(await client.exists(`${keys.base}:turns:wait`)).toBe(0);

  const worker = await engine.worker(deciderOf(() => undefined));
  await waitFor(() => worker.counts.commits.length === 1);
  expect(worker.counts.rescues).toEqual({ lease: 0, arming: 1 });
});

test('a killed worker costs neither order nor an event, and nothing is applied twice', async () => {
  const acceptor = engine.acceptor();
  const requests = [request('1'), request('1'), request('1')];
  for (const one of requests) await acceptor.accept(one);
  const victim = start('work', '60000');
  await waitFor(() => victim.output().includes('decided'));
  victim.child.kill('SIGKILL');
  await victim.exited;
  await letLeasePass('violet:1');

  const decided: string[] = [];
  const heir = await engine.worker(deciderOf((event) => void decided.push(event.eventId)));
  await waitFor(() => heir.counts.commits.length === 3);
  expect(decided).toEqual(requests.map(({ event }) => event.eventId));
});

test('an event that ends every worker is tried alone after two crashes, and is a dead letter after three more', async () => {
  const acceptor = engine.acceptor();
  const requests = [request('1'), request('1'), request('1')];
  for (const one of requests) await acceptor.accept(one);
  await acceptor.stop(1_000);
  let now = Date.now();
  const client = engine.redis();
  const keys = new ShardKeys(engine.prefix, 0);
  const claimed: number[] = [];
  let turn = 1;
  for (let crash = 0; crash < 5; crash++) {
    // Each time another worker.
    const protocol = new LaneProtocol(client, keys, { now: () => String(now) });
    const claim = await claimAndRead(protocol, 'violet:1', turn, newFence(), {
      leaseMs: 10_000,
      maxEvents: 10,
      maxBytes: 1_000_000,
    });
    if (claim.status !== 'run') throw new Error(`Expected a run, got ${claim.status}`);
    claimed.push(claim.elements.length);
    now += 10_001;
    const rescue = await protocol.rescue('violet:1', 0);
    if (rescue.status !== 'rescued') throw new Error(`Expected a rescue, got ${rescue.status}`);
    turn = rescue.turnToArm;
  }
  expect(claimed).toEqual([3, 3, 1, 1, 1]);

  // The last rescue's arming is lost as well; its time is not over for a worker with the store's own clock.
  await client.zadd(keys.ready, 0, 'violet:1');
  const decided: string[] = [];
  const worker = await engine.worker(deciderOf((event) => void decided.push(event.eventId)));
  await waitFor(() => worker.counts.commits.length === 3);
  expect(worker.counts.commits.map(({ outcome }) => outcome)).toEqual(['dead', 'processed', 'processed']);
  expect(decided).toEqual(requests.slice(1).map(({ event }) => event.eventId));
  const [letter = ''] = await client.hvals(keys.dead);
  expect(JSON.parse(letter)).toMatchObject({ reason: 'crashed', attempts: 5, eventId: requests[0]?.event.eventId });
});

test('an event that ends every worker takes no event of another lane with it, in whatever shard', async () => {
  const shards = [0, 1].map((shard) => new ShardKeys(engine.prefix, shard));
  const acceptor = engine.acceptor({ shards: shards.length });
  const poison = request('poison', { topic: 'POISON' });
  const innocent = Array.from({ length: 12 }, (_, index) => request(`innocent-${index}`));
  await Promise.all([poison, ...innocent].map((one) => acceptor.accept(one)));
  await acceptor.stop(1_000);
  const client = engine.redis();
  const sumOf = async (count: (keys: ShardKeys) => Promise<unknown>): Promise<number> =>
    (await Promise.all(shards.map(count))).reduce<number>((sum, one) => sum + Number(one), 0);
  const deadLetters = (): Promise<number> => sumOf((keys) => client.hlen(keys.dead));
  // What is let out of a lease by hand here would take ten seconds each time.
  const expireLeases = async (keys: ShardKeys): Promise<void> => {
    for (const lane of await client.zrange(keys.running, '0', '-1')) {
      await client.hset(keys.lane(lane), 'lease', '1');
      await client.zadd(keys.running, '1', lane);
    }
  };
  let ended = 0;
  while ((await deadLetters()) === 0) {
    expect(ended).toBeLessThan(10);
    await Promise.all(shards.map(expireLeases));
    const worker = start('work', '300', String(shards.length));
    await Promise.race([worker.exited.then(() => ended++), waitFor(async () => (await deadLetters()) > 0)]);
  }
  expect(ended).toBe(5);
  await waitFor(async () => (await sumOf((keys) => client.hget(keys.totals, 'processed'))) === innocent.length);
  const letters = await Promise.all(shards.map((keys) => client.hvals(keys.dead)));
  expect(letters.flat().map((letter) => JSON.parse(letter) as unknown)).toMatchObject([
    { eventId: poison.event.eventId, reason: 'crashed' },
  ]);
}, 240_000);

test('of lanes that crashed twice a worker has one in work at a time, and the others wait without losing an attempt', async () => {
  const acceptor = engine.acceptor();
  const [first, second, third] = ['violet:1', 'violet:2', 'violet:3'] as const;
  for (const merchant of ['1', '2', '3']) await acceptor.accept(request(merchant));
  const client = engine.redis();
  const keys = new ShardKeys(engine.prefix, 0);
  let now = Date.now();
  const alone = new Permit();
  const protocol = new LaneProtocol(client, keys, { now: () => String(now), alone });
  for (const lane of [first, second]) await client.hset(keys.lane(lane), 'crashes', 2);

  const claims = await Promise.all([first, second, third].map((lane) => protocol.claim(lane, 1, `fence of ${lane}`, 10_000)));
  expect(claims).toMatchObject([
    { status: 'run', crashes: 2, further: 0 },
    { status: 'wait', turnToArm: 2, delayMs: 1_000 },
    { status: 'run', crashes: 0 },
  ]);
  now += 1_000;
  expect(await protocol.claim(second, 2, 'another fence', 10_000)).toMatchObject({ status: 'wait', turnToArm: 3 });
  alone.giveBack();
  now += 1_000;
  expect(await protocol.claim(second, 3, 'another fence', 10_000)).toMatchObject({
    status: 'run',
    crashes: 2,
    failedAttempts: 0,
  });

  // A lane whose lease has passed counts its crash also when it has to wait.
  now += 10_001;
  expect(await protocol.claim(first, 1, 'a third fence', 10_000)).toMatchObject({ status: 'wait', turnToArm: 2 });
  expect(await client.hget(keys.lane(first), 'crashes')).toBe('3');
});

test('lanes that crashed are worked off one after the other, also where there are many', async () => {
  const acceptor = engine.acceptor();
  const client = engine.redis();
  const keys = new ShardKeys(engine.prefix, 0);
  const lanes = Array.from({ length: 6 }, (_, index) => `violet:${index}`);
  for (const lane of lanes) await acceptor.accept(request('', { lane }));
  for (const lane of lanes) await client.hset(keys.lane(lane), 'crashes', 4);
  await acceptor.stop(1_000);
  let inWork = 0;
  let most = 0;
  const worker = await engine.worker(
    deciderOf(async () => {
      most = Math.max(most, ++inWork);
      await new Promise((resolve) => setTimeout(resolve, 20));
      inWork--;
    }),
  );
  await waitFor(() => worker.counts.commits.length === lanes.length);
  expect(most).toBe(1);
  expect(worker.counts.rescues).toEqual({ lease: 0, arming: 0 });
});

test('a worker that was frozen past its lease and wakes commits nothing', async () => {
  const acceptor = engine.acceptor();
  const one = request('1');
  await acceptor.accept(one);
  const frozen = start('work', '4500');
  await waitFor(() => frozen.output().includes('decided'));
  frozen.child.kill('SIGSTOP');
  await letLeasePass('violet:1');

  const heir = await engine.worker(
    deciderOf(({ eventId }, unit) => {
      unit.put('offers', eventId, { by: 'heir' });
    }),
  );
  await waitFor(() => heir.counts.commits.length === 1);
  frozen.child.kill('SIGCONT');
  await waitFor(() => frozen.output().includes('fenced'));
  const stored = await engine.redis().hget(new ShardKeys(engine.prefix, 0).documents('violet:1', 'offers'), one.event.eventId);
  expect(stored).toBe('1 {"by":"heir"}');
});
