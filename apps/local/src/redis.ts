import { type AofCheck, describeRedisProgram, type RedisProgram, type RedisServer, startRedisServer } from '@syncline/runtime';
import { createBackoff } from './backoff';

export interface LocalRedisSettings {
  readonly program: RedisProgram;
  readonly directory: string;
  /** Kept for every start, as the apps know it. */
  readonly port: number;
  readonly say: (line: string) => void;
}

/** Keeps the private Redis running: started again on the same port and data when it ends. */
export class LocalRedis {
  readonly #settings: LocalRedisSettings;
  readonly #backoff = createBackoff();
  readonly #apps = new Set<number>();
  #server: RedisServer | undefined;
  #restartTimer: NodeJS.Timeout | undefined;
  #restarting: Promise<void> = Promise.resolve();
  #stopping = false;

  constructor(settings: LocalRedisSettings) {
    this.#settings = settings;
  }

  /** Where the server is to be found, also before it runs. */
  get url(): string {
    return `redis://127.0.0.1:${this.#settings.port}`;
  }

  /** Starts the server. Rejects when it cannot be started. */
  async start(): Promise<void> {
    const server = await this.#launch();
    const { program, directory, port, say } = this.#settings;
    say(`Redis: ${describeRedisProgram(program)} at 127.0.0.1:${port}, data in ${directory}`);
    say(`Redis: ${aofLine(server.aof)}`);
  }

  appStarted(pid: number): void {
    this.#apps.add(pid);
    this.#server?.appStarted(pid);
  }

  appEnded(pid: number): void {
    this.#apps.delete(pid);
    this.#server?.appEnded(pid);
  }

  /** Stops the server gracefully; idempotent. */
  async stop(): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#restartTimer);
    await this.#restarting;
    await this.#server?.stop();
  }

  async #launch(): Promise<RedisServer> {
    const { program, directory, port } = this.#settings;
    const server = await startRedisServer({ program, directory, port });
    this.#server = server;
    this.#backoff.started();
    for (const pid of this.#apps) server.appStarted(pid);
    server.ended.then(
      ({ reason }) => this.#onEnded(reason),
      () => {},
    );
    return server;
  }

  #onEnded(reason: string): void {
    if (this.#stopping) return;
    this.#server = undefined;
    this.#restartLater(`Redis: ended (${reason.trim()})`);
  }

  #restartLater(why: string): void {
    const delayMs = this.#backoff.nextMs();
    this.#settings.say(`${why}, starting it again in ${delayMs} ms`);
    this.#restartTimer = setTimeout(() => {
      this.#restarting = this.#restart();
    }, delayMs);
  }

  async #restart(): Promise<void> {
    try {
      const server = await this.#launch();
      this.#settings.say(`Redis: running again at 127.0.0.1:${this.#settings.port}, ${aofLine(server.aof)}`);
    } catch (error) {
      if (!this.#stopping) this.#restartLater(`Redis: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}

function aofLine(aof: AofCheck): string {
  switch (aof.status) {
    case 'absent':
      return 'new data folder, every write goes to disk before it is answered';
    case 'intact':
      return 'append-only file checked and intact';
    case 'repaired':
      return `append-only file was damaged: ${aof.cutOffBytes} bytes that could not be read were cut off its end and kept in ${aof.keptIn}`;
  }
}
