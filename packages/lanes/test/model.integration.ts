import { startTestRedis, type TestRedis, waitFor } from '@syncline/testkit';
import * as fc from 'fast-check';
import type { Redis } from 'ioredis';
import { closeConnection, openConnection } from '../src/connection';
import { openDataSet } from '../src/data-set';
import { createInspector } from '../src/inspector';
import { createOperator, type Operator } from '../src/operator';
import { newFence } from '../src/protocol';
import { Engine, silent } from './harness';
import { type Answer, type ArmedTurn, type Keep, type ModelEvent, ShardModel, snapshotOf, type Wish } from './model';
import { type Decided, expectEqual, type Run, ShardUnderTest } from './shard-under-test';

/** A longer proof: SYNCLINE_MODEL_RUNS=20000. SYNCLINE_MODEL_SEED repeats one that failed. */
const RUNS = Number(process.env.SYNCLINE_MODEL_RUNS ?? 25);
const SEED = process.env.SYNCLINE_MODEL_SEED;
const limits = { leaseMs: 10_000, dedupWindowMs: 3_600_000, historyMaxItems: 12, historyMaxAgeMs: 3 * 3_600_000 };

let redis: TestRedis;
let engine: Engine;
let operator: Operator;
let shard: ShardUnderTest;
let now = 0;

beforeAll(async () => {
  redis = await startTestRedis();
  engine = new Engine(redis.url);
  const { prefix, url } = engine;
  const client = openConnection(url, { kind: 'work' }) as Redis;
  engine.onClose(() => closeConnection(client));
  const settings = { redisUrl: url, prefix, shards: 1, dedupWindowMs: () => limits.dedupWindowMs, log: silent };
  const inspector = createInspector(settings);
  operator = createOperator(settings);
  engine.onClose(() => inspector.stop());
  engine.onClose(() => operator.stop());
  const dataSet = await openDataSet(client, prefix, 1);
  await waitFor(() => inspector.ping().then(() => true));
  await waitFor(async () => !(await operator.discard('0.1.1')));
  shard = new ShardUnderTest({ client, prefix, dataSet, limits, inspector, now: () => now });
});
afterAll(async () => {
  jest.restoreAllMocks();
  await engine.close();
  await redis.stop();
});

/** The test's side of one sequence: what workers hold, and the turns that BullMQ was told of. */
class World {
  readonly model = new ShardModel(now, limits);
  readonly armed: ArmedTurn[] = [];
  /** Runs that no worker has ended: each may go on at any time, also when it has long lost its lane. */
  readonly runs: Run[] = [];
  /** Commits and failures, as a client sends them again whose connection broke before the answer. */
  readonly sent: (() => Promise<Answer>)[] = [];
  readonly accepted = new Set<string>();

  /** The engine must answer what the model does. An arming may be lost on its way to BullMQ. */
  expectSame(lane: string, answer: Answer, expected: Answer, lost: boolean): void {
    expectEqual(answer, expected);
    const [, turnToArm = 0, others = []] = answer;
    if (lost) return;
    if (turnToArm > 0) this.armed.push([lane, turnToArm]);
    this.armed.push(...others);
  }

  /** A worker goes on with its run only while the lane was kept for it. */
  end(run: Run, answer: Answer): void {
    if (answer[0] !== 'kept') this.runs.splice(this.runs.indexOf(run), 1);
  }
}

type Step = (world: World) => Promise<void>;

class Command implements fc.AsyncCommand<World, ShardUnderTest> {
  readonly #label: string;
  readonly #step: Step;

  constructor(label: string, step: Step) {
    this.#label = label;
    this.#step = step;
  }

  check(): boolean {
    return true;
  }

  async run(world: World): Promise<void> {
    await this.#step(world);
    await expectAgreement(world);
  }

  toString(): string {
    return this.#label;
  }
}

function command<T>(name: string, args: fc.Arbitrary<T>, step: (world: World, args: T) => Promise<void>): fc.Arbitrary<Command> {
  return args.map((given) => new Command(`${name} ${JSON.stringify(given)}`, (world) => step(world, given)));
}

/** The item that a number names, counted from the newest. */
function newest<T>(items: readonly T[], back: number): T | undefined {
  return items[items.length - 1 - (back % Math.max(items.length, 1))];
}

const lanes = fc.nat(1).map((index) => shard.laneName(index));
const eventIds = fc.integer({ min: 1, max: 14 }).map((id) => `e${id}`);
const lost = fc.nat(9).map((chance) => chance === 9);
const headSeqs = fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined, freq: 1 });
const wishes: fc.Arbitrary<Wish> = fc.record({
  document: fc.constantFrom('a', 'b', 'c'),
  append: fc.option(fc.constantFrom('own lane', 'side lane'), { nil: undefined, freq: 4 }),
  timer: fc.option(fc.record({ key: fc.constantFrom('k', 'l'), afterMs: fc.constantFrom(null, 0, 5_000) }), {
    nil: undefined,
    freq: 3,
  }),
});
const delays = fc.constantFrom<number | 'block'>(0, 1_000, 30_000, 'block');
const decisions = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.constant<Decided>('processed') },
    { weight: 2, arbitrary: fc.constant<Decided>('dead') },
    { weight: 1, arbitrary: fc.constant<Decided>('unhandled') },
  ),
  { maxLength: 4 },
);

async function commitRun(world: World, run: Run, decided: readonly Decided[], keep: Keep, armingLost: boolean): Promise<void> {
  const { lane, kind } = run;
  const replay = kind === 'replay';
  const wanted = kind === 'seized' ? (['discarded'] as const) : decided.slice(0, run.events.length);
  const goesOn = wanted.length > 0 && keep;
  const outcomes = wanted.map((outcome, index) => {
    const event = run.events[index];
    return replay && event && outcome === 'processed' && world.model.isSuperseded(lane, eventOf(event)) ? 'superseded' : outcome;
  });
  const attempt = shard.attemptOf(run, 0);
  const commit = await shard.decide(run, wanted, goesOn);
  const answer = await shard.commit(lane, commit);
  world.expectSame(lane, answer, world.model.commit(lane, run.fence, outcomes, { attempt, replay, keep: goesOn }), armingLost);
  // Its answer was lost on the way: the same commit finds what it did, and names the same turn.
  const [status, turn] = answer;
  const again = status === 'fenced' ? ['fenced'] : status === 'kept' ? ['kept', 0, []] : ['already', turn, []];
  expectEqual(await shard.commit(lane, commit), again);
  world.sent.push(() => shard.commit(lane, commit));
  world.end(run, answer);
  run.events = run.events.slice(outcomes.length);
  if (outcomes.length > 0) run.failedAttempts = 0;
}

function eventOf({ seq, eventId, body }: { seq: number; eventId: string; body: string }): ModelEvent {
  return { seq, eventId, wish: JSON.parse(body) as Wish };
}

function named({ seq, eventId }: { seq: number; eventId: string }): string {
  return `${seq} ${eventId}`;
}

const commands = [
  command(
    'accept',
    fc.record({ lane: lanes, ids: fc.uniqueArray(eventIds, { minLength: 1, maxLength: 2 }), wish: wishes, lost }),
    async (world, args) => {
      const answer = await shard.accept(args.lane, args.ids, args.wish);
      expectEqual(answer, world.model.accept(args.lane, args.ids, args.wish));
      for (const id of args.ids) world.accepted.add(id);
      if (answer[1] && !args.lost) world.armed.push([args.lane, answer[1]]);
    },
  ),
  command(
    'claim',
    fc.record({ back: fc.nat(3), maxEvents: fc.integer({ min: 1, max: 4 }), alone: fc.boolean(), lost }),
    async (world, args) => {
      const armed = newest(world.armed, args.back);
      if (armed) await claim(world, armed, newFence(), args.maxEvents, args.lost, args.alone);
    },
  ),
  command('claim sent again', fc.record({ back: fc.nat(2), lost }), async (world, args) => {
    const run = newest(
      world.runs.filter(({ kind }) => kind !== 'seized'),
      args.back,
    );
    if (!run) return;
    await claim(world, [run.lane, run.turn], run.fence, 4, args.lost);
    world.runs.splice(world.runs.indexOf(run), 1);
  }),
  command(
    'commit',
    fc.record({ back: fc.nat(3), decisions, keep: fc.constantFrom('keep' as const, 'more' as const, false as const), lost }),
    async (world, args) => {
      const run = newest(world.runs, args.back);
      if (run && run.events.length > 0) await commitRun(world, run, args.decisions, args.keep, args.lost);
    },
  ),
  command('fail', fc.record({ back: fc.nat(3), delayMs: delays, lost }), async (world, { back, delayMs, lost: armingLost }) => {
    const run = newest(
      world.runs.filter(({ kind, events }) => kind === 'run' && events.length > 0),
      back,
    );
    if (!run) return;
    const failed = { ...run };
    const answer = await shard.fail(failed, delayMs);
    const expected = world.model.fail(run.lane, run.fence, run.failedAttempts + 1, delayMs);
    world.expectSame(run.lane, answer, expected, armingLost);
    world.sent.push(() => shard.fail(failed, delayMs));
    world.end(run, answer);
  }),
  command('commit or failure sent again', fc.record({ back: fc.nat(5) }), async (world, { back }) => {
    const sendAgain = newest(world.sent, back);
    if (!sendAgain) return;
    const before = await shard.snapshot();
    await sendAgain();
    expectEqual(await shard.snapshot(), before);
  }),
  command('rescue', fc.record({ lane: lanes, passed: fc.boolean(), lost }), async (world, args) => {
    const answer = await shard.rescue(args.lane, args.passed);
    world.expectSame(args.lane, answer, world.model.rescue(args.lane, args.passed), args.lost);
  }),
  command(
    'operator',
    fc.record({ lane: lanes, verb: fc.constantFrom('pause', 'resume', 'retry-head'), forced: fc.boolean(), lost }),
    async (world, args) => {
      const answer = await shard.hold(args.lane, args.verb, args.forced);
      world.expectSame(args.lane, answer, world.model.hold(args.lane, args.verb, args.forced), args.lost);
    },
  ),
  command('skip-head', fc.record({ lane: lanes, forced: fc.boolean(), seq: headSeqs, dies: lost, lost }), async (world, args) => {
    const { answer, run } = await shard.seize(args.lane, args.forced, args.seq);
    const expected = world.model.seize(args.lane, run?.fence ?? '', args.forced, args.seq);
    expectEqual(answer, expected.answer);
    if (!run || !('events' in expected)) return;
    expectEqual(run.events.map(named), expected.events.map(named));
    world.runs.push(run);
    if (!args.dies) await commitRun(world, run, [], false, args.lost);
  }),
  command('replay', fc.record({ back: fc.nat(3), lost }), async (world, args) => {
    const letter = newest([...world.model.deadLetters], args.back);
    if (!letter) return;
    const [name, { lane, event }] = letter;
    const laneNumber = 1 + Object.keys((await shard.snapshot()).lanes).indexOf(lane);
    world.expectSame(lane, await shard.replay(lane, laneNumber, event.seq), world.model.replay(name), args.lost);
    expectEqual(await shard.replay(lane, laneNumber, event.seq), ['unknown']);
  }),
  command('discard', fc.record({ back: fc.nat(3) }), async (world, { back }) => {
    const letter = newest([...world.model.deadLetters], back);
    if (!letter) return;
    const [name, { lane, event }] = letter;
    const laneNumber = 1 + Object.keys((await shard.snapshot()).lanes).indexOf(lane);
    expectEqual(await operator.discard(`0.${laneNumber}.${event.seq}`), world.model.discard(name));
  }),
  command('timer', fc.record({ lane: lanes, key: fc.constantFrom('k', 'l'), lost }), async (world, args) => {
    if (!world.model.lanes.has(args.lane)) return;
    world.expectSame(args.lane, await shard.fire(args.lane, args.key), world.model.fire(args.lane, args.key), args.lost);
  }),
  command(
    'clock moves by',
    fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom(1, 999, 1_000, 5_000) },
      { weight: 3, arbitrary: fc.constantFrom(limits.leaseMs, limits.leaseMs + 1, 31_000) },
      { weight: 1, arbitrary: fc.constantFrom(limits.dedupWindowMs - 1_000, limits.dedupWindowMs, limits.dedupWindowMs + 1_000) },
      { weight: 1, arbitrary: fc.constantFrom(-1_000, -7_000) },
    ),
    async (world, ms) => {
      now += ms;
      world.model.now = now;
      await Promise.resolve();
    },
  ),
];

async function claim(
  world: World,
  [lane, turn]: ArmedTurn,
  fence: string,
  maxEvents: number,
  armingLost: boolean,
  mayTakeOneAlone = true,
) {
  const { answer, run } = await shard.claim(lane, turn, fence, maxEvents, mayTakeOneAlone);
  const expected = world.model.claim(lane, turn, fence, maxEvents, mayTakeOneAlone);
  world.expectSame(lane, answer, expected.answer, armingLost);
  if (!run || !('events' in expected)) return undefined;
  const { failedAttempts, crashes } = run;
  expectEqual(
    { events: run.events.map(named), failedAttempts, crashes },
    {
      events: expected.events.map(named),
      failedAttempts: expected.failedAttempts,
      crashes: expected.crashes,
    },
  );
  world.runs.push(run);
  return run;
}

/** The engine holds what the model says, and what must be true of any model. */
async function expectAgreement({ model }: World): Promise<void> {
  const snapshot = await shard.snapshot();
  expectEqual(snapshot, snapshotOf(model));
  for (const lane of Object.values(snapshot.lanes)) {
    const waiting = lane.waiting.map((event) => Number.parseInt(event, 10));
    expectEqual(
      waiting,
      Array.from({ length: lane.seq - lane.done }, (_, index) => lane.done + index + 1),
    );
    const positions = lane.history.map(({ position }) => position);
    expectEqual(
      positions,
      positions.map((_, index) => (positions[0] ?? 0) + index),
    );
    const seqs = lane.history.filter(({ replayed }) => !replayed).map(({ seq }) => seq);
    expectEqual(
      seqs,
      seqs.map((_, index) => lane.done - seqs.length + index + 1),
    );
    if (lane.hasHead) expectEqual(lane.armed || lane.held !== undefined, true);
    else expectEqual([lane.armed, lane.place], [false, undefined]);
    for (const stored of Object.values(lane.documents)) {
      const written = JSON.parse(stored.slice(stored.indexOf(' '))) as number[];
      expectEqual(new Set(written).size, written.length);
    }
  }
}

/** Whatever happened: an operator lets every lane go on, rescues find what was lost, and all that was accepted comes to an outcome. */
async function drain(world: World): Promise<void> {
  for (const lane of world.model.lanes.keys()) {
    for (const verb of ['resume', 'retry-head'] as const) {
      world.expectSame(lane, await shard.hold(lane, verb, true), world.model.hold(lane, verb, true), true);
    }
  }
  for (let round = 0; [...world.model.lanes.values()].some(({ empty }) => !empty); round++) {
    if (round > 200) throw new Error('Expected the lanes to become empty, got lanes that hold events after 200 rounds');
    now += limits.leaseMs + 60_000;
    world.model.now = now;
    for (const lane of world.model.lanes.keys()) {
      const answer = await shard.rescue(lane, true);
      world.expectSame(lane, answer, world.model.rescue(lane, true), true);
      const [, turn] = answer;
      const run = turn === undefined ? undefined : await claim(world, [lane, turn], newFence(), 4, true);
      if (run) await commitRun(world, run, Array<Decided>(4).fill('processed'), false, true);
    }
  }
  await expectAgreement(world);
  await expectSameEvents(world);
}

/** Whoever asks for an event by its id is told where it stands. */
async function expectSameEvents({ model, accepted }: World): Promise<void> {
  for (const id of accepted) if (model.knows(id)) expectEqual([id, await shard.stateOf(id)], [id, model.stateOf(id)]);
}

test(
  'the engine does what its model does, whatever happens in whatever order',
  async () => {
    jest.spyOn(Date, 'now').mockImplementation(() => now);
    await fc.assert(
      fc.asyncProperty(fc.commands(commands, { maxCommands: 80, size: 'max' }), async (sequence) => {
        now = 1_800_000_000_000;
        await shard.empty();
        const world = new World();
        await fc.asyncModelRun(() => ({ model: world, real: shard }), sequence);
        await expectAgreement(world);
        await expectSameEvents(world);
        await drain(world);
      }),
      { numRuns: RUNS, ...(SEED !== undefined && { seed: Number(SEED) }) },
    );
  },
  60_000 + RUNS * 1_000,
);
