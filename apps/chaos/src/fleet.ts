import { type FaultProxy, freePort, type Keeper, type SpawnedApp, spawnApp, startFaultProxy, waitFor } from '@syncline/testkit';
import { createTally, type Tally } from './metrics';

export interface FleetSettings {
  /** Where the copy of the product is. */
  readonly root: string;
  readonly dataFolder: string;
  readonly keeper: Keeper;
  readonly redisUrl: string;
  /** Port of the one Redis, when the connections to it are to go through fault proxies. */
  readonly proxiedRedisPort: number | undefined;
  readonly ingresses: number;
  readonly workers: number;
  readonly env: Readonly<Record<string, string>>;
}

const RESTART_AFTER_OWN_END_MS = 200;
const READY_TIMEOUT_MS = 60_000;

/** The product's processes under test. */
export class Fleet {
  readonly members: readonly Member[];
  /** What the workers counted, over all their lives. */
  readonly tally: Tally;

  private constructor(members: readonly Member[], tally: Tally) {
    this.members = members;
    this.tally = tally;
  }

  /** Starts all of it; resolves when all is ready. Rejects when a process does not start; what did is then stopped. */
  static async start(settings: FleetSettings): Promise<Fleet> {
    const tally = createTally();
    const members: Member[] = [];
    for (let index = 0; index < settings.ingresses; index++) members.push(await Member.create('ingress', index, settings, tally));
    for (let index = 0; index < settings.workers; index++) members.push(await Member.create('worker', index, settings, tally));
    const fleet = new Fleet(members, tally);
    try {
      await Promise.all(members.map((member) => member.start()));
      await waitFor(async () => (await Promise.all(members.map((member) => member.isReady()))).every(Boolean), {
        timeoutMs: READY_TIMEOUT_MS,
        intervalMs: 200,
        message: 'all processes to be ready',
      });
    } catch (error) {
      await fleet.stop();
      throw error;
    }
    return fleet;
  }

  get ingresses(): readonly Member[] {
    return this.members.filter(({ kind }) => kind === 'ingress');
  }

  get workers(): readonly Member[] {
    return this.members.filter(({ kind }) => kind === 'worker');
  }

  /** Processes that ended though nobody ended them, with the end of what they said. */
  get ownEnds(): readonly string[] {
    return this.members.flatMap(({ ownEnds }) => ownEnds);
  }

  /** Every connection that can be disturbed. */
  get links(): readonly Link[] {
    return this.members.flatMap(({ links }) => links);
  }

  async scrape(): Promise<void> {
    await Promise.all(this.workers.map((worker) => worker.scrape()));
  }

  /** Everything that the processes said so far, by name. */
  outputs(): Map<string, string> {
    return new Map(this.members.map((member) => [member.name, member.output()]));
  }

  /** Idempotent. */
  async stop(): Promise<void> {
    await Promise.all(this.members.map((member) => member.stop()));
  }
}

/** One side of a process's connections, with what stands in it. */
export interface Link {
  readonly name: string;
  readonly proxy: FaultProxy;
}

/** One process of the product, with the proxies around it; the same ports over all its lives. */
export class Member {
  readonly kind: 'ingress' | 'worker';
  readonly name: string;
  /** Where the sender reaches an ingress, through its proxy. */
  readonly port: number;
  readonly links: readonly Link[];
  readonly ownEnds: string[] = [];
  readonly #env: Readonly<Record<string, string>>;
  readonly #settings: FleetSettings;
  readonly #tally: Tally;
  #app: SpawnedApp | undefined;
  #earlier = '';
  #life = 0;
  #stopping = false;

  private constructor(
    kind: 'ingress' | 'worker',
    name: string,
    settings: FleetSettings,
    tally: Tally,
    { ownPort, port, redisUrl, links }: { ownPort: number; port: number; redisUrl: string; links: readonly Link[] },
  ) {
    this.kind = kind;
    this.name = name;
    this.port = port;
    this.links = links;
    this.#settings = settings;
    this.#tally = tally;
    this.#env = {
      ...settings.env,
      REDIS_URL: redisUrl,
      [`${kind.toUpperCase()}_PORT`]: String(ownPort),
      SYNCLINE_DATA_DIR: settings.dataFolder,
    };
  }

  static async create(kind: 'ingress' | 'worker', index: number, settings: FleetSettings, tally: Tally): Promise<Member> {
    const name = `${kind}-${index + 1}`;
    const ownPort = await freePort();
    const links: Link[] = [];
    const door = kind === 'ingress' ? await startFaultProxy(ownPort) : undefined;
    if (door) links.push({ name: `sender to ${name}`, proxy: door });
    const { proxiedRedisPort, redisUrl } = settings;
    const toRedis = proxiedRedisPort === undefined ? undefined : await startFaultProxy(proxiedRedisPort);
    if (toRedis) links.push({ name: `${name} to Redis`, proxy: toRedis });
    return new Member(kind, name, settings, tally, {
      ownPort,
      port: door?.port ?? ownPort,
      redisUrl: toRedis ? `redis://127.0.0.1:${toRedis.port}` : redisUrl,
      links,
    });
  }

  get running(): boolean {
    return this.#app !== undefined;
  }

  /** Resolves when the process says that it has started. Does nothing while it runs. */
  async start(): Promise<void> {
    if (this.#app || this.#stopping) return;
    const { root, keeper } = this.#settings;
    let pid: number | undefined;
    const onSpawn = (spawned: number): void => {
      pid = spawned;
      keeper.keep(spawned);
    };
    try {
      const app = await spawnApp(this.kind, this.#env, { root, onSpawn });
      this.#app = app;
      this.#life++;
      void app.exited.then(() => this.#ended(app));
    } catch (error) {
      if (pid !== undefined) keeper.release(pid);
      throw error;
    }
  }

  async isReady(): Promise<boolean> {
    const app = this.#app;
    if (!app) return false;
    const response = await fetch(`${app.url}/readyz`, { signal: AbortSignal.timeout(2_000), headers: { connection: 'close' } });
    return response.ok;
  }

  /** SIGKILL; resolves when the process is gone. */
  async kill(): Promise<void> {
    const app = this.#app;
    this.#app = undefined;
    await app?.kill();
  }

  freeze(): void {
    this.#app?.freeze();
  }

  thaw(): void {
    this.#app?.thaw();
  }

  /** Reads what a worker has counted; one that does not answer keeps what it had said before. */
  async scrape(): Promise<void> {
    const app = this.#app;
    if (!app || this.kind !== 'worker') return;
    try {
      const response = await fetch(`${app.url}/metrics`, { signal: AbortSignal.timeout(800), headers: { connection: 'close' } });
      if (response.ok) this.#tally.read(`${this.name}.${this.#life}`, await response.text());
    } catch {
      // Killed, frozen or cut off just now.
    }
  }

  output(): string {
    return this.#earlier + (this.#app?.output() ?? '');
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    const app = this.#app;
    this.#app = undefined;
    await app?.kill();
    await Promise.all(this.links.map(({ proxy }) => proxy.stop()));
  }

  #ended(app: SpawnedApp): void {
    this.#settings.keeper.release(app.pid);
    this.#earlier += `${app.output()}\n--- ${this.name} ended ---\n`;
    if (this.#app !== app) return;
    this.#app = undefined;
    if (this.#stopping) return;
    this.ownEnds.push(`${this.name}: ${app.output().trim().split('\n').slice(-2).join(' ').slice(-500)}`);
    setTimeout(() => {
      this.start().catch((error: unknown) => this.ownEnds.push(`${this.name}: ${String(error)}`));
    }, RESTART_AFTER_OWN_END_MS);
  }
}
