import { once } from 'node:events';
import net from 'node:net';
import { type FaultProxy, startFaultProxy, waitFor } from '../src/index';

let server: net.Server;
let proxy: FaultProxy;
/** What the server received, all connections together. */
let received: string;
const serverSockets = new Set<net.Socket>();
const clients: Client[] = [];

beforeEach(async () => {
  received = '';
  server = net.createServer((socket) => {
    serverSockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => serverSockets.delete(socket));
    socket.on('data', (chunk: Buffer) => {
      received += chunk.toString();
      socket.write(chunk);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  proxy = await startFaultProxy((server.address() as net.AddressInfo).port);
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.socket.destroy();
  await proxy.stop();
  await new Promise((resolve) => server.close(resolve));
});

class Client {
  readonly socket: net.Socket;
  answers = '';
  closed = false;
  error: string | undefined;

  constructor() {
    this.socket = net.connect({ port: proxy.port, host: '127.0.0.1' });
    this.socket.on('data', (chunk: Buffer) => (this.answers += chunk.toString()));
    this.socket.on('error', (error: NodeJS.ErrnoException) => (this.error = error.code));
    this.socket.on('close', () => (this.closed = true));
    clients.push(this);
  }

  async ask(text: string): Promise<void> {
    const before = this.answers;
    this.socket.write(text);
    await waitFor(() => this.answers === before + text);
  }
}

/** A connection that nothing disturbs carries `w` to the server and back. */
async function answerWithoutProxy(): Promise<void> {
  const witness = net.connect({ port: (server.address() as net.AddressInfo).port, host: '127.0.0.1' });
  witness.write('w');
  await once(witness, 'data');
  witness.destroy();
}

test('without a fault the proxy forwards both ways and ends with either side', async () => {
  const client = new Client();
  await client.ask('a');
  expect(received).toBe('a');
  expect(proxy.connections).toBe(1);
  client.socket.end();
  await waitFor(() => client.closed && proxy.connections === 0 && serverSockets.size === 0);
});

test('a cut resets every connection, and new ones work', async () => {
  const client = new Client();
  await client.ask('a');
  proxy.cut();
  await waitFor(() => client.closed);
  expect(client.error).toBe('ECONNRESET');
  await new Client().ask('b');
});

test('a frozen proxy forwards nothing, closes nothing, takes connections, and forwards all of it when it is healed', async () => {
  const old = new Client();
  await old.ask('a');
  proxy.freeze();
  const young = new Client();
  old.socket.write('b');
  young.socket.write('c');
  await once(young.socket, 'connect');
  await answerWithoutProxy();
  expect(received).toBe('aw');
  expect([old.closed, young.closed]).toEqual([false, false]);
  proxy.heal();
  await waitFor(() => old.answers === 'ab' && young.answers === 'c');
});

test('a connection that is half open for requests ends at the server, and stays open and silent for the client until it is healed', async () => {
  const client = new Client();
  await client.ask('a');
  proxy.halfOpen('requests');
  await waitFor(() => serverSockets.size === 0);
  client.socket.write('lost');
  await new Client().ask('b');
  expect([received, client.answers, client.closed]).toEqual(['ab', 'a', false]);
  proxy.heal();
  await waitFor(() => client.closed);
  expect(client.error).toBe('ECONNRESET');
});

test('a connection that is half open for answers still brings requests, and its answers are lost', async () => {
  const client = new Client();
  await client.ask('a');
  proxy.halfOpen('answers');
  client.socket.write('b');
  await waitFor(() => received === 'ab');
  await new Client().ask('c');
  expect([client.answers, client.closed]).toEqual(['a', false]);
  proxy.heal();
  await waitFor(() => client.closed);
});

test('a delayed connection brings everything, in order', async () => {
  const client = new Client();
  await client.ask('a');
  proxy.delay(5);
  for (const text of ['b', 'c', 'd']) client.socket.write(text);
  await waitFor(() => client.answers === 'abcd');
});

test('what a delayed connection holds back does not come before its time, and comes at once when it is healed', async () => {
  const client = new Client();
  await client.ask('a');
  proxy.delay(3_600_000);
  client.socket.write('b');
  await answerWithoutProxy();
  expect([received, client.answers]).toEqual(['aw', 'a']);
  proxy.heal();
  await waitFor(() => client.answers === 'ab');
  await client.ask('c');
});
