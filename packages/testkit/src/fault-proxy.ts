import net from 'node:net';

/** What is lost on a connection that is open on one side only: what the client asks, or what the server answers. */
export type HalfOpen = 'requests' | 'answers';

/** Stands between clients and one server on TCP, and can do what networks do. */
export interface FaultProxy {
  readonly port: number;
  /** Connections open now. */
  readonly connections: number;
  /** Resets every connection. */
  cut(): void;
  /** Forwards nothing in either direction, and says nothing about it; new connections are taken and forwarded as little. */
  freeze(): void;
  /**
   * Every connection stays open for its client and is of no use any more: with `requests` the server sees it end, with `answers` the
   * server goes on and is not heard. New connections work. `heal` resets the useless ones.
   */
  halfOpen(lost: HalfOpen): void;
  /** Holds every piece of data back for so long, in order. */
  delay(ms: number): void;
  /** Ends the fault: what was held back goes on. */
  heal(): void;
  /** Idempotent. */
  stop(): Promise<void>;
}

/** Starts a proxy on a free port of 127.0.0.1 in front of a port of 127.0.0.1. */
export async function startFaultProxy(targetPort: number): Promise<FaultProxy> {
  const links = new Set<Link>();
  const state: Fault = { frozen: false, delayMs: 0 };
  const server = net.createServer((client) => {
    const link = new Link(client, net.connect({ port: targetPort, host: '127.0.0.1' }), state);
    links.add(link);
    link.onEnd = () => links.delete(link);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('Expected a proxy with a port, got none');
  const release = (): void => {
    state.frozen = false;
    state.delayMs = 0;
    for (const link of links) link.goOn();
  };
  let stopped: Promise<void> | undefined;
  return {
    port: address.port,
    get connections() {
      return links.size;
    },
    cut: () => {
      for (const link of links) link.reset();
    },
    freeze: () => {
      state.frozen = true;
      for (const link of links) link.hold();
    },
    halfOpen: (lost) => {
      for (const link of links) link.halfOpen(lost);
    },
    delay: (ms) => {
      state.delayMs = ms;
    },
    heal: () => {
      for (const link of links) if (link.isHalfOpen) link.reset();
      release();
    },
    stop: () => {
      stopped ??= new Promise((resolve) => {
        server.close(() => resolve());
        for (const link of links) link.reset();
      });
      return stopped;
    },
  };
}

interface Fault {
  frozen: boolean;
  delayMs: number;
}

/** One client's connection and the one to the server behind it. */
class Link {
  readonly #client: net.Socket;
  readonly #server: net.Socket;
  readonly #fault: Fault;
  /** What is held back, with what lets it go on. */
  readonly #delays = new Map<NodeJS.Timeout, () => void>();
  #lost: HalfOpen | undefined;
  #over = false;
  onEnd: () => void = () => {};

  constructor(client: net.Socket, server: net.Socket, fault: Fault) {
    this.#client = client;
    this.#server = server;
    this.#fault = fault;
    this.#forward(client, server, 'requests');
    this.#forward(server, client, 'answers');
    for (const socket of [client, server]) {
      socket.setNoDelay(true);
      socket.on('error', () => {});
    }
    client.on('close', () => this.reset());
    server.on('close', () => {
      if (this.#lost === undefined) this.reset();
    });
    if (fault.frozen) this.hold();
  }

  get isHalfOpen(): boolean {
    return this.#lost !== undefined;
  }

  hold(): void {
    this.#client.pause();
    this.#server.pause();
  }

  goOn(): void {
    for (const [delay, pass] of this.#delays) {
      clearTimeout(delay);
      pass();
    }
    this.#client.resume();
    this.#server.resume();
  }

  halfOpen(lost: HalfOpen): void {
    this.#lost = lost;
    if (lost === 'requests') this.#server.destroy();
  }

  reset(): void {
    if (this.#over) return;
    this.#over = true;
    for (const delay of this.#delays.keys()) clearTimeout(delay);
    for (const socket of [this.#client, this.#server]) {
      if (socket.connecting) socket.destroy();
      else socket.resetAndDestroy();
    }
    this.onEnd();
  }

  #forward(from: net.Socket, to: net.Socket, what: HalfOpen): void {
    from.on('data', (chunk: Buffer) => {
      if (this.#lost === 'requests' || this.#lost === what) return;
      if (this.#fault.delayMs > 0) this.#later(from, to, chunk);
      else this.#pass(from, to, chunk);
    });
    from.on('end', () => {
      if (this.#lost === undefined) to.end();
    });
  }

  #pass(from: net.Socket, to: net.Socket, chunk: Buffer): void {
    if (to.write(chunk)) return;
    from.pause();
    to.once('drain', () => {
      if (!this.#fault.frozen) from.resume();
    });
  }

  /** The direction stands still meanwhile, so nothing overtakes. */
  #later(from: net.Socket, to: net.Socket, chunk: Buffer): void {
    from.pause();
    const pass = (): void => {
      this.#delays.delete(delay);
      if (!this.#fault.frozen) from.resume();
      this.#pass(from, to, chunk);
    };
    const delay = setTimeout(pass, this.#fault.delayMs);
    this.#delays.set(delay, pass);
  }
}
