import { randomBytes } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { createInspector, type Inspector } from '@syncline/lanes';
import { randomOf } from '@syncline/runtime';
import {
  type Keeper,
  type RedisWhole,
  startCluster,
  startKeeper,
  startSentinelSet,
  startSingleRedis,
  temporaryFolder,
  testRedisProgram,
  waitFor,
} from '@syncline/testkit';
import { check, type Verdict } from './checker';
import { FaultInjector, type FaultKind } from './faults';
import { Fleet } from './fleet';
import { type InjectionName, injections } from './injections';
import { pause } from './pause';
import { copyProduct } from './product';
import { readLanes } from './reading';
import { Traffic, type TrafficCounts } from './traffic';

export const topologies = ['single', 'sentinel', 'cluster'] as const;
export type Topology = (typeof topologies)[number];

export interface ChaosSettings {
  readonly seed: number;
  /** How long events are sent and things are broken. */
  readonly seconds: number;
  /** Acknowledged events that a run goes on for beyond its seconds, on a machine that is slow. */
  readonly leastEvents: number;
  readonly merchants: number;
  /** New events a second. */
  readonly rate: number;
  readonly topology: Topology;
  /** Replicas that must hold an event before it is acknowledged. */
  readonly waitReplicas: number;
  readonly faults: readonly FaultKind[];
  /** How long nothing may happen, at the end, before what still waits counts as stuck. */
  readonly patienceSeconds: number;
  readonly injection: InjectionName | undefined;
}

/** What a run was and found. */
export interface ChaosResult {
  readonly settings: ChaosSettings;
  readonly traffic: TrafficCounts;
  readonly faults: ReadonlyMap<FaultKind, number>;
  readonly failovers: number;
  /** Starts of a Redis over an append-only file, and those at which its end had to be cut off. */
  readonly aofChecked: number;
  readonly aofRepaired: number;
  readonly retries: number;
  readonly rescued: number;
  readonly fenced: number;
  /** What the workers themselves counted as broken promises. */
  readonly invariantViolations: number;
  /** Processes that ended though nobody ended them. */
  readonly ownEnds: readonly string[];
  readonly verdict: Verdict;
  /** From the end of the faults until nothing waited any more, or patience was over. */
  readonly drainSeconds: number;
  /** Where logs and data are kept after a run that found something. */
  readonly keptIn: string | undefined;
}

export interface Surroundings {
  /** Ends the run early: everything is stopped, and the promise rejects. */
  readonly signal: AbortSignal;
  readonly progress: (line: string) => void;
}

const INGRESSES = 2;
const WORKERS = 3;
const PREFIX = 'chaos';
const SHARDS: Readonly<Record<Topology, number>> = { single: 1, sentinel: 1, cluster: 4 };
const PROGRESS_MS = 3_000;
const ACKNOWLEDGE_TIMEOUT_MS = 60_000;
const DRAIN_LOOK_MS = 500;
const EXTRA_MS_MAX = 60_000;

/** Runs the product, breaks it, lets it drain, and checks what came of every acknowledged event. Rejects when it could not be run. */
export async function runChaos(settings: ChaosSettings, surroundings: Surroundings): Promise<ChaosResult> {
  const folder = temporaryFolder();
  const run = new Run(settings, surroundings, folder);
  let result: ChaosResult | undefined;
  try {
    result = await run.run();
    return result;
  } finally {
    await run.stop();
    if (result?.keptIn === undefined) fs.rmSync(folder, { recursive: true, force: true });
  }
}

/** True when every promise of the topology was kept. */
export function isClean(result: ChaosResult): boolean {
  return result.invariantViolations === 0 && result.ownEnds.length === 0 && brokenPromises(result).length === 0;
}

/**
 * The violations that no topology excuses. Events that a failover forgot are excused, and told apart, when no replica had to hold them
 * before they were acknowledged.
 */
export function brokenPromises({ settings, verdict }: ChaosResult): Verdict['violations'] {
  const excused = settings.topology !== 'single' && settings.waitReplicas === 0;
  return verdict.violations.filter(({ forgotten }) => !(excused && forgotten));
}

class Run {
  readonly #settings: ChaosSettings;
  readonly #surroundings: Surroundings;
  readonly #folder: string;
  readonly #keeper: Keeper = startKeeper();
  #redis: RedisWhole | undefined;
  #fleet: Fleet | undefined;
  #inspector: Inspector | undefined;

  constructor(settings: ChaosSettings, surroundings: Surroundings, folder: string) {
    this.#settings = settings;
    this.#surroundings = surroundings;
    this.#folder = folder;
  }

  async run(): Promise<ChaosResult> {
    const { seed, topology, merchants, rate, faults: kinds, injection } = this.#settings;
    const { signal, progress } = this.#surroundings;
    setMaxListeners(0, signal);
    const product = path.join(this.#folder, 'product');
    copyProduct(product, injection ? injections[injection].patches : []);
    progress(`starting Redis (${topology}), ${INGRESSES} ingresses and ${WORKERS} workers`);
    const redis = await this.#startRedis();
    const secret = randomBytes(24).toString('base64url');
    const fleet = await this.#startFleet(product, redis, secret);
    signal.throwIfAborted();

    const traffic = new Traffic({
      ports: fleet.ingresses.map(({ port }) => port),
      secret,
      merchants,
      rate,
      random: randomOf(seed, 'traffic'),
      runName: `e${seed}`,
    });
    const injector = new FaultInjector({ kinds, fleet, redis, random: randomOf(seed, 'faults') });
    const stopped = new AbortController();
    const ending = new AbortController();
    const givingUp = new AbortController();
    for (const { signal: each } of [stopped, ending, givingUp]) setMaxListeners(0, each);
    const stopAll = (): void => {
      for (const controller of [ending, givingUp, stopped]) controller.abort();
    };
    signal.addEventListener('abort', stopAll);
    const reporting = this.#report(traffic, injector, fleet, stopped.signal);
    const sending = traffic.run(ending.signal, givingUp.signal);
    const breaking = injector.run(ending.signal);
    try {
      await Promise.race([this.#lastLongEnough(traffic, ending.signal), breaking]);
      ending.abort();
      const mendedFrom = performance.now();
      await breaking;
      signal.throwIfAborted();
      const giveUp = setTimeout(() => givingUp.abort(), ACKNOWLEDGE_TIMEOUT_MS);
      await sending;
      clearTimeout(giveUp);
      const verdict = await this.#drain(traffic);
      signal.throwIfAborted();
      await fleet.scrape();
      return this.#result(traffic, injector, fleet, redis, verdict, (performance.now() - mendedFrom) / 1_000);
    } finally {
      stopAll();
      await Promise.allSettled([reporting, sending, breaking]);
    }
  }

  async stop(): Promise<void> {
    await this.#inspector?.stop();
    await this.#fleet?.stop();
    await this.#redis?.stop();
    await this.#keeper.stop();
  }

  async #lastLongEnough(traffic: Traffic, ending: AbortSignal): Promise<void> {
    const { seconds, leastEvents } = this.#settings;
    await pause(seconds * 1_000, ending);
    const until = performance.now() + EXTRA_MS_MAX;
    while (traffic.counts.acknowledged < leastEvents && performance.now() < until) {
      if (!(await pause(DRAIN_LOOK_MS, ending))) return;
    }
  }

  async #startRedis(): Promise<RedisWhole> {
    const program = await testRedisProgram();
    const start = { single: startSingleRedis, sentinel: startSentinelSet, cluster: startCluster }[this.#settings.topology];
    this.#redis = await start({ program, keeper: this.#keeper, directory: path.join(this.#folder, 'redis') });
    return this.#redis;
  }

  async #startFleet(root: string, redis: RedisWhole, secret: string): Promise<Fleet> {
    const { topology, waitReplicas } = this.#settings;
    const [node] = redis.nodes;
    const dataFolder = path.join(this.#folder, 'data');
    this.#fleet = await Fleet.start({
      root,
      dataFolder,
      keeper: this.#keeper,
      redisUrl: redis.url,
      proxiedRedisPort: topology === 'single' ? node?.port : undefined,
      ingresses: INGRESSES,
      workers: WORKERS,
      env: {
        KEY_PREFIX: PREFIX,
        SHARDS: String(SHARDS[topology]),
        VIOLET_APP_SECRET: secret,
        CONSOLE_TOKEN: 'unused',
        LOG_LEVEL: 'warn',
        HANDLERS: path.join(__dirname, '..', 'handlers.cjs'),
        HANDLER_TIMEOUT_MS: '2000',
        RETRY_MAX_ATTEMPTS: '1000',
        RETRY_BASE_MS: '50',
        RETRY_CAP_MS: '500',
        HISTORY_MAX_PER_MERCHANT: '10000000',
        WORKER_CONCURRENCY: '20',
        ...(topology === 'single' ? { ACCEPT_TIMEOUT_MS: '3000', ACCEPT_TRY_TIMEOUT_MS: '800' } : {}),
        ACCEPT_WAIT_REPLICAS: String(waitReplicas),
      },
    });
    return this.#fleet;
  }

  /** Waits until nothing waits any more and all that is to come has come; at most until nothing has happened for as long as patience goes. */
  async #drain(traffic: Traffic): Promise<Verdict> {
    const { signal } = this.#surroundings;
    const { topology, patienceSeconds } = this.#settings;
    this.#inspector = createInspector({
      redisUrl: this.#redis?.url ?? '',
      prefix: PREFIX,
      shards: SHARDS[topology],
      dedupWindowMs: () => 72 * 3_600_000,
      log: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
    });
    const inspector = this.#inspector;
    await waitFor(() => inspector.ping().then(() => true), { timeoutMs: 30_000, message: 'Redis to answer the inspector' });
    let committed = -1;
    let quietSince = performance.now();
    for (;;) {
      const { events } = await inspector.overview();
      const now = Object.entries(events).reduce((sum, [state, count]) => sum + (/waiting|retrying/.test(state) ? 0 : count), 0);
      if (now !== committed) quietSince = performance.now();
      committed = now;
      const outOfPatience = performance.now() - quietSince > patienceSeconds * 1_000;
      if (outOfPatience || events.waiting + events.retrying === 0) {
        const verdict = check(traffic.sent, await readLanes(inspector, traffic.merchantIds, traffic.sent));
        if (outOfPatience || !verdict.violations.some(({ pending }) => pending)) return verdict;
      }
      if (!(await pause(DRAIN_LOOK_MS, signal))) signal.throwIfAborted();
    }
  }

  async #report(traffic: Traffic, injector: FaultInjector, fleet: Fleet, stopped: AbortSignal): Promise<void> {
    while (await pause(PROGRESS_MS, stopped)) {
      await fleet.scrape();
      const { events, acknowledged } = traffic.counts;
      const committed = fleet.tally.sum('syncline_events_total');
      const broken = injector.broken.length > 0 ? ` · broken now: ${injector.broken.join(', ')}` : '';
      this.#surroundings.progress(
        `${events} sent, ${acknowledged} acknowledged, ${committed} committed · ${injector.total} faults${broken}`,
      );
    }
  }

  #result(
    traffic: Traffic,
    injector: FaultInjector,
    fleet: Fleet,
    redis: RedisWhole,
    verdict: Verdict,
    drainSeconds: number,
  ): ChaosResult {
    const aofChecks = redis.nodes.flatMap((node) => node.aofChecks).filter((status) => status !== 'absent');
    const result = {
      settings: this.#settings,
      traffic: traffic.counts,
      faults: injector.counts,
      failovers: injector.failovers,
      aofChecked: aofChecks.length,
      aofRepaired: aofChecks.filter((status) => status === 'repaired').length,
      retries: fleet.tally.sum('syncline_retries_total'),
      rescued: fleet.tally.sum('syncline_rescued_lanes_total'),
      fenced: fleet.tally.sum('syncline_fenced_commits_total'),
      invariantViolations: fleet.tally.sum('syncline_invariant_violations_total'),
      ownEnds: fleet.ownEnds,
      verdict,
      drainSeconds,
    };
    const clean = isClean({ ...result, keptIn: undefined });
    if (!clean) for (const [name, output] of fleet.outputs()) fs.writeFileSync(path.join(this.#folder, `${name}.log`), output);
    return { ...result, keptIn: clean || this.#settings.injection ? undefined : this.#folder };
  }
}
