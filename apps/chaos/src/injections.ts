import type { ViolationKind } from './checker';
import type { FaultKind } from './faults';

/** A change of one Lua file of the lanes; `find` stands in it exactly once. */
export interface Patch {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

/** A defect put into a copy of the product on purpose, with the run that brings it out. */
export interface Injection {
  readonly what: string;
  readonly patches: readonly Patch[];
  /** What the checker must find at least one of. */
  readonly caughtAs: readonly ViolationKind[];
  readonly run: {
    readonly seconds: number;
    readonly leastEvents: number;
    readonly merchants: number;
    readonly rate: number;
    readonly faults: readonly FaultKind[];
    readonly patienceSeconds: number;
  };
}

export const injectionNames = ['no-fence', 'late-idle', 'dropped-arm', 'early-dedup'] as const;
export type InjectionName = (typeof injectionNames)[number];

export const injections: Readonly<Record<InjectionName, Injection>> = {
  'no-fence': {
    what: 'a commit does not ask whether its turn still owns the lane',
    patches: [
      { file: 'commit.lua', find: "if held[1] ~= fence then return { 'fenced' } end", replace: '' },
      { file: 'commit.lua', find: 'local committed = events > 0 and done >= last', replace: 'local committed = false' },
      // The seqs that a commit names are the second proof of ownership: with it, the fence alone is not missed here.
      {
        file: 'commit.lua',
        find: "if not held[2] or not fromHead or last > seq or last - first + 1 ~= events then return { 'fenced' } end",
        replace: '',
      },
    ],
    caughtAs: ['duplicated', 'lost', 'reordered'],
    run: { seconds: 80, leastEvents: 600, merchants: 24, rate: 120, faults: ['worker-stall'], patienceSeconds: 15 },
  },
  'late-idle': {
    what: 'a lane goes idle by what its claim saw, though events came since',
    patches: [
      {
        file: 'claim.lua',
        find: "redis.call('HSET', laneKey, 'fence', fence, 'lease', lease)",
        replace: "redis.call('HSET', laneKey, 'fence', fence, 'lease', lease, 'seen', held[11])",
      },
      {
        file: 'commit.lua',
        find: 'if done == seq and',
        replace: "if done >= tonumber(redis.call('HGET', LANE, 'seen')) and",
      },
    ],
    caughtAs: ['stuck'],
    run: { seconds: 8, leastEvents: 300, merchants: 60, rate: 300, faults: [], patienceSeconds: 6 },
  },
  'dropped-arm': {
    what: 'some armings never reach the queue, and no lane is rescued',
    patches: [
      {
        file: 'append.lua',
        find: 'return number, seq, turn\n',
        replace: 'return number, seq, turn % 3 == 0 and 0 or turn\n',
      },
      { file: 'rescue.lua', find: "if not lost then return { 'well' } end", replace: "do return { 'well' } end" },
    ],
    caughtAs: ['stuck'],
    run: { seconds: 8, leastEvents: 300, merchants: 20, rate: 150, faults: [], patienceSeconds: 6 },
  },
  'early-dedup': {
    what: 'an id is remembered before its event is appended, and some appends fail',
    patches: [
      {
        file: 'accept.lua',
        find: '  local number, seq, turnToArm = 0, 0, 0\n',
        replace: `  local number, seq, turnToArm = 0, 0, 0
  if string.sub(redis.sha1hex(ARGV[a + 9]), 1, 2) < '20' then
    for i = 0, ids - 1 do remember(k + 3 + 4 * i, ARGV[a + 9 + i], pack(0, 0), lifeMs) end
    error('the append failed')
  end
`,
      },
    ],
    caughtAs: ['lost'],
    run: { seconds: 5, leastEvents: 200, merchants: 20, rate: 150, faults: [], patienceSeconds: 6 },
  },
};
