import { startTestRedis, type TestRedis } from '@syncline/testkit';
import { ShardKeys } from '../src/keys';
import type { LostTurn } from '../src/protocol';
import { Rescuer } from '../src/rescuer';
import { Engine, request, silent } from './harness';

const lane = 'violet:1';

let redis: TestRedis;
let engine: Engine;

beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis.stop());
beforeEach(() => {
  engine = new Engine(redis.url);
});
afterEach(() => engine.close());

test('a late lane is rescued once no job can bring it: not while one waits or is held that is as old, or that cannot be told', async () => {
  const acceptor = engine.acceptor();
  await acceptor.accept(request('1'));
  await acceptor.stop(1_000);
  const client = engine.redis();
  const keys = new ShardKeys(engine.prefix, 0);
  const queue = `${keys.base}:turns`;
  await client.del(`${queue}:wait`);
  const now = Date.now();
  const since = now - 60_000;
  await client.zadd(keys.ready, since, lane);

  const rescued: LostTurn[] = [];
  const rescuer = new Rescuer({ client, keys, arm() {}, rescued: (cause) => rescued.push(cause), log: silent });
  const rescuedBeside = async (...lists: ('wait' | 'active')[]): Promise<LostTurn[]> => {
    rescued.length = 0;
    for (const list of lists) await client.lpush(`${queue}:${list}`, `job-${list}`);
    await rescuer.rescue({ now, dueTimers: [], moreTimers: false, suspects: [], late: [[lane, since]] });
    await client.del(`${queue}:wait`, `${queue}:active`);
    return [...rescued];
  };

  // Jobs that ended between the look at the lists and the look at them: what they were cannot be told.
  expect(await rescuedBeside('wait', 'active')).toEqual([]);
  await client.hset(`${queue}:job-wait`, 'timestamp', now);
  await client.hset(`${queue}:job-active`, 'timestamp', since - 1_000);
  expect(await rescuedBeside('wait', 'active')).toEqual([]);
  expect(await rescuedBeside('wait')).toEqual(['arming']);
});
