import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { RedisClient } from './connection';

/** Beside the package's manifest, wherever the code that asks has been bundled into. */
const directory = join(dirname(require.resolve('@syncline/lanes/package.json')), 'lua');
const read = (name: string): string => readFileSync(join(directory, `${name}.lua`), 'utf8');

/** One atomic step of the protocol, kept in a Lua file; its header tells keys, arguments and answers. */
export class Script {
  readonly #source: string;
  readonly #sha: string;

  /** `shared`: files of functions that the step uses. */
  constructor(name: string, ...shared: string[]) {
    this.#source = ['prelude', ...shared, name].map(read).join('\n');
    this.#sha = createHash('sha1').update(this.#source).digest('hex');
  }

  /** Runs the step; a server that does not know the script (new, restarted, failed over) is taught it. */
  async run(client: RedisClient, keys: readonly string[], args: readonly (string | number | Buffer)[]): Promise<unknown> {
    try {
      return await client.evalsha(this.#sha, keys.length, ...keys, ...args);
    } catch (error) {
      if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
      return await client.eval(this.#source, keys.length, ...keys, ...args);
    }
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
    const run = async (command: 'evalsha' | 'eval', script: string): Promise<[unknown, number]> => {
      const pipeline = client.pipeline();
      pipeline[command](script, keys.length, ...keys, ...args);
      pipeline.call('WAIT', String(wait.replicas), String(wait.timeoutMs));
      const results = await pipeline.exec();
      const [ran, waited] = results ?? [];
      const error = ran?.[0] ?? waited?.[0];
      if (error) throw error;
      return [ran?.[1], Number(waited?.[1])];
    };
    try {
      const [answer, replicas] = await run('evalsha', this.#sha);
      return { answer, replicas };
    } catch (error) {
      if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
      const [answer, replicas] = await run('eval', this.#source);
      return { answer, replicas };
    }
  }
}
