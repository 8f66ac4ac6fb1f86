import { type AofCheck, describeRedisProgram, type RedisProgram, type RedisServer, startRedisServer } from '@syncline/runtime';
import { createBackoff } from './backoff';

export interface LocalRedisSettings {
  readonly program: RedisProgram;
  readonly directory: string;
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

  /** Starts the server and resolves with its URL. Rejects when it cannot be started. */
  async start(): Promise<string> {
    const server = await this.#launch();
    const { program, directory, say } = this.#settings;
    say(`Redis: ${describeRedisProgram(program)} at 127.0.0.1:${server.port}, data in ${directory}`);
    say(`Redis: ${aofLine(server.aof)}`);
    return server.url;
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

  async #launch(port?: number): Promise<RedisServer> {
    const { program, directory } = this.#settings;
    const server = await startRedisServer({ program, directory, ...(port === undefined ? {} : { port }) });
    this.#server = server;
    this.#backoff.started();
    for (const pid of this.#apps) server.appStarted(pid);
    server.ended.then(
      ({ reason }) => this.#onEnded(reason, server.port),
      () => {},
    );
    return server;
  }

  #onEnded(reason: string, port: number): void {
    if (this.#stopping) return;
    this.#server = undefined;
    this.#restartLater(`Redis: ended (${reason.trim()})`, port);
  }

  #restartLater(why: string, port: number): void {
    const delayMs = this.#backoff.nextMs();
    this.#settings.say(`${why}, starting it again in ${delayMs} ms`);
    this.#restartTimer = setTimeout(() => {
      this.#restarting = this.#restart(port);
    }, delayMs);
  }

  async #restart(port: number): Promise<void> {
    try {
      const server = await this.#launch(port);
      this.#settings.say(`Redis: running again at 127.0.0.1:${port}, ${aofLine(server.aof)}`);
    } catch (error) {
      if (!this.#stopping) this.#restartLater(`Redis: ${error instanceof Error ? error.message : String(error)}`, port);
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
