import net from 'node:net';

export interface RedisAnswer {
  readonly ready: boolean;
  /** The server's process id, where it tells. */
  readonly pid: number | undefined;
}

/** Asks the server at host and port whether it takes commands. Undefined when nothing answers within `timeoutMs`. */
export function pingRedis({
  host = '127.0.0.1',
  port,
  timeoutMs = 1_000,
}: {
  host?: string;
  port: number;
  timeoutMs?: number;
}): Promise<RedisAnswer | undefined> {
  return new Promise((resolve) => {
    const socket = net.connect({ host, port });
    let answer = '';
    const finish = (result: RedisAnswer | undefined): void => {
      socket.destroy();
      resolve(result);
    };
    socket.setTimeout(timeoutMs, () => finish(undefined));
    socket.on('error', () => finish(undefined));
    socket.on('close', () => finish(undefined));
    socket.on('connect', () => socket.write('INFO server\r\nPING\r\n'));
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1');
      const reply = /(?:^|\n)(\+PONG|-[A-Z]+[^\r\n]*)\r\n$/.exec(answer)?.[1];
      // A server that wants a password, or TLS, is up: whoever holds the URL can use it.
      if (reply !== undefined)
        finish({ ready: !reply.startsWith('-LOADING'), pid: Number(/process_id:(\d+)/.exec(answer)?.[1]) || undefined });
    });
  });
}
