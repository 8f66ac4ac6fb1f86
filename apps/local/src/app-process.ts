import { type ChildProcess, spawn } from 'node:child_process';
import http from 'node:http';
import readline from 'node:readline';
import { type Environment, exitCodes, type StartedMessage, sendSignal } from '@syncline/runtime';
import { createBackoff } from './backoff';
import type { AppDefinition } from './config';
import { createLogFile } from './log-file';
import { readableLogLine } from './log-line';

export interface AppProcessSettings {
  readonly definition: AppDefinition;
  readonly url: string;
  readonly env: Environment;
  readonly logFile: string;
  readonly showLogs: boolean;
  /** Shows a line to the user. */
  readonly say: (line: string) => void;
  readonly onStart: (pid: number) => void;
  readonly onEnd: (pid: number) => void;
  /** The app says that its configuration is wrong: starting it again cannot help. */
  readonly onConfigurationError: () => void;
}

const READY_POLL_MS = 50;
const WAITING_SAID_AFTER_MS = 3_000;
/** Beyond its own time limit for stopping. */
const STOP_MARGIN_MS = 2_000;

/** Keeps one app running: starts it, says when it is ready, and starts it again with backoff when it ends. */
export class AppProcess {
  readonly #settings: AppProcessSettings;
  readonly #backoff = createBackoff();
  readonly #log: { write(line: string): void };
  #child: ChildProcess | undefined;
  #gone: Promise<void> = Promise.resolve();
  #restartTimer: NodeJS.Timeout | undefined;
  /** Ends the waiting of `start`. */
  #settled: () => void = () => {};
  #stopping = false;

  constructor(settings: AppProcessSettings) {
    this.#settings = settings;
    this.#log = createLogFile(settings.logFile);
  }

  /** Starts the app. Resolves when it is ready for the first time, or has been stopped before. */
  start(): Promise<void> {
    return new Promise((resolve) => {
      this.#settled = resolve;
      this.#launch();
    });
  }

  /** Stops the app and waits for its end; kills it when it takes longer than its time limit. Idempotent. */
  async stop(shutdownTimeoutMs: number): Promise<void> {
    this.#giveUp();
    this.#signal('SIGTERM');
    this.#signal('SIGCONT');
    const killer = setTimeout(() => this.#signal('SIGKILL'), shutdownTimeoutMs + STOP_MARGIN_MS);
    await this.#gone;
    clearTimeout(killer);
  }

  /** Ends the app at once, without letting it finish. */
  kill(): void {
    this.#giveUp();
    this.#signal('SIGKILL');
  }

  #giveUp(): void {
    this.#stopping = true;
    clearTimeout(this.#restartTimer);
    this.#settled();
  }

  #signal(name: NodeJS.Signals): void {
    if (this.#child?.pid !== undefined) sendSignal(this.#child.pid, name);
  }

  #launch(): void {
    const { definition, env } = this.#settings;
    // In a process group of its own, so that a signal to the whole group reaches it only through us, in the right order.
    const child = spawn(process.execPath, [definition.script], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: { ...env },
      detached: true,
    });
    this.#child = child;
    this.#backoff.started();
    if (child.pid !== undefined) this.#settings.onStart(child.pid);
    for (const stream of [child.stdout, child.stderr]) {
      if (stream) readline.createInterface({ input: stream }).on('line', (line) => this.#show(line));
    }
    child.on('message', (message: StartedMessage) => {
      if (message.type === 'started') void this.#awaitReady(child);
    });
    this.#gone = new Promise((resolve) => {
      const end = (how: string, code: number | null): void => {
        this.#child = undefined;
        if (child.pid !== undefined) this.#settings.onEnd(child.pid);
        if (!this.#stopping) {
          if (code === exitCodes.configuration) this.#settings.onConfigurationError();
          else this.#restartLater(how);
        }
        resolve();
      };
      child.once('error', (error) => end(error.message, null));
      child.once('close', (code, signal) => end(signal ?? `exit code ${code}`, code));
    });
  }

  #restartLater(how: string): void {
    const delayMs = this.#backoff.nextMs();
    this.#settings.say(
      `${this.#settings.definition.name}: ended (${how}), starting it again in ${delayMs} ms. Its log: ${this.#settings.logFile}`,
    );
    this.#restartTimer = setTimeout(() => this.#launch(), delayMs);
  }

  async #awaitReady(child: ChildProcess): Promise<void> {
    const { definition, url, say } = this.#settings;
    const startedAt = performance.now();
    let waitingSaid = false;
    while (this.#child === child && !this.#stopping) {
      if (await isReady(url)) {
        say(`${definition.name}: ready at ${url}`);
        this.#settled();
        return;
      }
      if (!waitingSaid && performance.now() - startedAt > WAITING_SAID_AFTER_MS) {
        waitingSaid = true;
        say(`${definition.name}: up at ${url}, but not ready yet: it waits for Redis`);
      }
      await new Promise((resolve) => {
        setTimeout(resolve, READY_POLL_MS);
      });
    }
  }

  #show(line: string): void {
    this.#log.write(line);
    const readable = readableLogLine(line, this.#settings.showLogs);
    if (readable !== undefined && !(this.#stopping && !this.#settings.showLogs))
      this.#settings.say(`${this.#settings.definition.name} | ${readable}`);
  }
}

/** Asked by the plain client: `fetch` takes longer to load than the whole of this process. */
function isReady(url: string): Promise<boolean> {
  return new Promise((resolve) => {
    const request = http.get(`${url}/readyz`, { agent: false, timeout: 2_000 }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    request.once('timeout', () => request.destroy());
    request.once('error', () => resolve(false));
  });
}
