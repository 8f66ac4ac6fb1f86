import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RedisClient } from './connection';

/** Beside a bundle, which brings the steps that it was built with; else in this package. */
const directory = [join(__dirname, 'lua'), join(__dirname, '..', 'lua')].find(existsSync) ?? '';
const read = (name: string): string => readFileSync(join(directory, `${name}.lua`), 'utf8');

/** One atomic step of the protocol, kept in a Lua file; its header tells keys, arguments and answers. */
export class Script {
  readonly #source: string;
  readonly #sha: string;
  /** Ends, either way, when a server has been sent the whole script. */
  #teaching: Promise<void> | undefined;

  /** `shared`: files of functions that the step uses. */
  constructor(name: string, ...shared: string[]) {
    this.#source = ['prelude', ...shared, name].map(read).join('\n');
    this.#sha = createHash('sha1').update(this.#source).digest('hex');
  }

  /** Runs the step; a server that does not know the script (new, restarted, failed over) is taught it. */
  run(client: RedisClient, keys: readonly string[], args: readonly (string | number | Buffer)[]): Promise<unknown> {
    return this.#taught((command, script) => client[command](script, keys.length, ...keys, ...args));
  }

  /**
   * Runs the step and, on the same connection, waits until replicas hold what it wrote; `replicas` is how many do. On a cluster only a
   * command beside it in one pipeline reaches the master that ran the step.
   */
  async runAndWait(
    client: RedisClient,
    keys: readonly string[],
    args: readonly (string | number | Buffer)[],
    wait: { replicas: number; timeoutMs: number } | undefined,
  ): Promise<{ answer: unknown; replicas: number }> {
    if (!wait) return { answer: await this.run(client, keys, args), replicas: 0 };
    return await this.#taught(async (command, script) => {
      const pipeline = client.pipeline();
      pipeline[command](script, keys.length, ...keys, ...args);
      pipeline.call('WAIT', String(wait.replicas), String(wait.timeoutMs));
      const [ran, waited] = (await pipeline.exec()) ?? [];
      const error = ran?.[0] ?? waited?.[0];
      if (error) throw error;
      return { answer: ran?.[1], replicas: Number(waited?.[1]) };
    });
  }

  /**
   * Sends the digest of the script, and the whole of it to a server that does not know it. Of many calls that a new server refuses at
   * once, one teaches it and the others wait for that: the script's text is far longer than what they have to say.
   */
  async #taught<T>(send: (command: 'evalsha' | 'eval', script: string) => Promise<T>): Promise<T> {
    const unknown = (error: unknown): boolean => error instanceof Error && error.message.startsWith('NOSCRIPT');
    try {
      return await send('evalsha', this.#sha);
    } catch (error) {
      if (!unknown(error)) throw error;
    }
    if (this.#teaching) {
      await this.#teaching;
      try {
        return await send('evalsha', this.#sha);
      } catch (error) {
        // Another node of a cluster, or the lesson failed.
        if (!unknown(error)) throw error;
      }
    }
    const lesson = send('eval', this.#source);
    const teaching = lesson
      .then(
        () => undefined,
        () => undefined,
      )
      .finally(() => {
        if (this.#teaching === teaching) this.#teaching = undefined;
      });
    this.#teaching = teaching;
    return await lesson;
  }
}

/** The name and number pairs that a step answers in one flat list. */
export function pairs(flat: readonly (string | number)[]): [name: string, number: number][] {
  return Array.from({ length: flat.length / 2 }, (_, index) => [String(flat[2 * index]), Number(flat[2 * index + 1])]);
}
