import { setMaxListeners } from 'node:events';
import type { Random } from '@syncline/runtime';
import { type RedisNode, type RedisWhole, waitFor } from '@syncline/testkit';
import type { Fleet, Link, Member } from './fleet';
import { pause } from './pause';

export const faultKinds = [
  'worker-kill',
  'worker-freeze',
  'worker-stall',
  'ingress-kill',
  'ingress-freeze',
  'redis-kill',
  'redis-freeze',
  'link-cut',
  'link-freeze',
  'link-half-open',
  'link-delay',
] as const;
export type FaultKind = (typeof faultKinds)[number];

/** What each kind does, for `--help` and the report. */
export const faultDescriptions: Readonly<Record<FaultKind, string>> = {
  'worker-kill': 'SIGKILL a worker, start it again',
  'worker-freeze': 'SIGSTOP a worker for less than its lease, SIGCONT',
  'worker-stall': 'SIGSTOP a worker for longer than its lease, SIGCONT',
  'ingress-kill': 'SIGKILL an ingress, start it again',
  'ingress-freeze': 'SIGSTOP an ingress, SIGCONT',
  'redis-kill': 'SIGKILL Redis (a master), check its append-only file, start it again',
  'redis-freeze': 'SIGSTOP Redis (a master), SIGCONT',
  'link-cut': 'reset all connections of one process on one side',
  'link-freeze': 'forward nothing in either direction for a while',
  'link-half-open': 'requests or answers are lost while the connection stays open',
  'link-delay': 'hold all data back for some milliseconds',
};

/** How often each is chosen beside the others. */
const WEIGHTS: Readonly<Record<FaultKind, number>> = {
  'worker-kill': 4,
  'worker-freeze': 3,
  'worker-stall': 3,
  'ingress-kill': 3,
  'ingress-freeze': 2,
  'redis-kill': 2,
  'redis-freeze': 2,
  'link-cut': 4,
  'link-freeze': 3,
  'link-half-open': 3,
  'link-delay': 3,
};
const MEAN_GAP_MS = 900;
/** The lease with the handler timeout of a run is 10 s. */
const LONGER_THAN_LEASE_MS = [12_000, 24_000] as const;
const WHOLE_AGAIN_TIMEOUT_MS = 90_000;

export interface FaultSettings {
  readonly kinds: readonly FaultKind[];
  readonly fleet: Fleet;
  readonly redis: RedisWhole;
  readonly random: Random;
}

/** Breaks things at random, several at once, each thing in one way at a time, and mends each after its time. */
export class FaultInjector {
  readonly counts = new Map<FaultKind, number>();
  /** Masters that another node took over from. */
  failovers = 0;
  readonly #settings: FaultSettings;
  readonly #broken = new Set<string>();
  readonly #underWay = new Set<Promise<void>>();
  #failure: unknown;

  constructor(settings: FaultSettings) {
    this.#settings = settings;
  }

  get total(): number {
    return [...this.counts.values()].reduce((sum, count) => sum + count, 0);
  }

  /** What is broken now. */
  get broken(): readonly string[] {
    return [...this.#broken];
  }

  /**
   * Goes on until the signal fires, then mends what is broken and resolves. Rejects when Redis does not become whole again, or a process
   * does not start.
   */
  async run(signal: AbortSignal): Promise<void> {
    setMaxListeners(0, signal);
    const { random } = this.#settings;
    while (this.#failure === undefined && (await pause(-Math.log(1 - random.next()) * MEAN_GAP_MS, signal))) {
      const fault = this.#choose();
      if (!fault) continue;
      this.#broken.add(fault.target);
      this.#count(fault.kind, 1);
      const done = fault
        .run(signal)
        .catch((error: unknown) => {
          this.#failure ??= error;
        })
        .finally(() => {
          this.#broken.delete(fault.target);
          this.#underWay.delete(done);
        });
      this.#underWay.add(done);
    }
    await Promise.all(this.#underWay);
    if (this.#failure !== undefined) throw this.#failure;
  }

  #count(kind: FaultKind, by: 1 | -1): void {
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + by);
  }

  #choose(): { kind: FaultKind; target: string; run: (signal: AbortSignal) => Promise<void> } | undefined {
    const { kinds, random, fleet } = this.#settings;
    const kind = random.pick(kinds.flatMap((each) => Array.from({ length: WEIGHTS[each] }, () => each)));
    if (kind === undefined) return undefined;
    const member = random.pick(kind.startsWith('ingress') ? fleet.ingresses : fleet.workers);
    const link = random.pick(fleet.links);
    switch (kind) {
      case 'worker-kill':
      case 'ingress-kill':
        return this.#ofMember(kind, member, (one, signal) => this.#killMember(one, random.integer(0, 1_500), signal));
      case 'worker-freeze':
      case 'ingress-freeze':
        return this.#ofMember(kind, member, (one, signal) => freeze(one, random.integer(100, 4_000), signal));
      case 'worker-stall':
        return this.#ofMember(kind, member, (one, signal) => freeze(one, random.integer(...LONGER_THAN_LEASE_MS), signal));
      case 'redis-kill':
      case 'redis-freeze':
        return this.#ofRedis(kind);
      case 'link-cut':
      case 'link-freeze':
      case 'link-half-open':
      case 'link-delay':
        return this.#ofLink(kind, link);
    }
  }

  #ofMember(kind: FaultKind, member: Member | undefined, run: (member: Member, signal: AbortSignal) => Promise<void>) {
    if (!member?.running || this.#broken.has(member.name)) return undefined;
    // One of each kind is left alone: whoever takes over is part of what is tested.
    const peers = this.#settings.fleet.members.filter((peer) => peer.kind === member.kind && !this.#broken.has(peer.name));
    if (peers.length < 2) return undefined;
    return { kind, target: member.name, run: (signal: AbortSignal) => run(member, signal) };
  }

  async #killMember(member: Member, downMs: number, signal: AbortSignal): Promise<void> {
    await member.scrape();
    await member.kill();
    await pause(downMs, signal);
    await member.start();
  }

  #ofLink(kind: FaultKind, link: Link | undefined) {
    if (!link || this.#broken.has(link.name)) return undefined;
    const { random } = this.#settings;
    const { proxy } = link;
    const forMs = random.integer(300, 4_000);
    return {
      kind,
      target: link.name,
      run: async (signal: AbortSignal) => {
        if (kind === 'link-cut') {
          proxy.cut();
          return;
        }
        if (kind === 'link-freeze') proxy.freeze();
        else if (kind === 'link-half-open') proxy.halfOpen(random.chance(0.5) ? 'requests' : 'answers');
        else proxy.delay(random.integer(2, 60));
        await pause(forMs, signal);
        proxy.heal();
      },
    };
  }

  #ofRedis(kind: 'redis-kill' | 'redis-freeze') {
    if (this.#broken.has('Redis')) return undefined;
    const { random, redis } = this.#settings;
    const alone = redis.nodes.length === 1;
    const forMs = alone ? random.integer(100, 4_000) : random.integer(500, 8_000);
    return {
      kind,
      target: 'Redis',
      run: async (signal: AbortSignal) => {
        const masters = await redis.masters();
        const node = random.pick(masters);
        // None that answers in time: nothing was broken.
        if (!node) {
          this.#count(kind, -1);
          return;
        }
        if (kind === 'redis-kill') await node.kill();
        else node.freeze();
        await pause(forMs, signal);
        // A killed master that comes back before it was replaced would be a restart, which the single server is for.
        if (kind === 'redis-kill' && !alone) await this.#replaced(node, masters.length);
        if (kind === 'redis-kill') await node.restart();
        else node.thaw();
        await waitFor(() => redis.whole(), {
          timeoutMs: WHOLE_AGAIN_TIMEOUT_MS,
          intervalMs: 100,
          message: 'Redis to be whole again',
        });
        if (!alone && !(await redis.masters()).includes(node)) this.failovers++;
      },
    };
  }

  async #replaced(gone: RedisNode, masters: number): Promise<void> {
    const { redis } = this.#settings;
    await waitFor(
      async () => {
        const now = await redis.masters();
        return now.length === masters && !now.includes(gone);
      },
      { timeoutMs: WHOLE_AGAIN_TIMEOUT_MS, intervalMs: 100, message: 'a replica to take over' },
    );
  }
}

async function freeze(member: Member, forMs: number, signal: AbortSignal): Promise<void> {
  await member.scrape();
  member.freeze();
  await pause(forMs, signal);
  member.thaw();
}
