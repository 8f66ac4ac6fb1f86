import { once } from 'node:events';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { Registry } from 'prom-client';
import { ConfigurationError, closeServer, createOperations, listen } from '../src/index';

const servers: http.Server[] = [];
afterEach(() => Promise.all(servers.splice(0).map((server) => closeServer(server, 100))));

async function serve(handler: http.RequestListener): Promise<{ server: http.Server; url: string; port: number }> {
  const server = await listen(handler, { port: 0, host: '127.0.0.1', variable: 'TEST_PORT' });
  servers.push(server);
  const { port } = server.address() as AddressInfo;
  return { server, url: `http://127.0.0.1:${port}`, port };
}

function signal(): { given: Promise<void>; give: () => void } {
  let give: () => void = () => {};
  const given = new Promise<void>((resolve) => {
    give = resolve;
  });
  return { given, give };
}

const operations = (ready: () => boolean | Promise<boolean>) =>
  createOperations({ registry: new Registry(), ready, readyTimeoutMs: 50 });

test('health is answered always, readiness as the process says', async () => {
  let ready = false;
  const { url } = await serve(operations(() => ready));
  expect((await fetch(`${url}/healthz`)).status).toBe(200);
  expect((await fetch(`${url}/readyz`)).status).toBe(503);
  ready = true;
  expect((await fetch(`${url}/readyz?verbose`)).status).toBe(200);
});

test('a readiness question that fails or hangs is a no', async () => {
  const failing = await serve(operations(() => Promise.reject(new Error('down'))));
  const throwing = await serve(
    operations(() => {
      throw new Error('down');
    }),
  );
  const hanging = await serve(operations(() => new Promise(() => {})));
  for (const { url } of [failing, throwing, hanging]) expect((await fetch(`${url}/readyz`)).status).toBe(503);
});

test('metrics come in the registry’s format, and one that fails is a 500 without detail', async () => {
  const { url } = await serve(operations(() => true));
  const answer = await fetch(`${url}/metrics`);
  expect(answer.headers.get('content-type')).toMatch(/^text\/plain/);
  const broken = await serve(
    createOperations({
      registry: { contentType: 'text/plain', metrics: () => Promise.reject(new Error('inner secret')) },
      ready: () => true,
    }),
  );
  const failed = await fetch(`${broken.url}/metrics`);
  expect([failed.status, await failed.text()]).toEqual([500, expect.not.stringContaining('inner secret')]);
});

test('HEAD works, another method is 405 with Allow, another path is 404 or the next handler’s', async () => {
  const { url } = await serve(operations(() => true));
  expect((await fetch(`${url}/healthz`, { method: 'HEAD' })).status).toBe(200);
  const refused = await fetch(`${url}/healthz`, { method: 'POST' });
  expect([refused.status, refused.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
  for (const path of ['/', '/healthz/', '//healthz', '/__proto__', '/constructor']) {
    const missing = await fetch(`${url}${path}`);
    expect([missing.status, await missing.json()]).toEqual([404, { error: { code: 'not_found', message: expect.any(String) } }]);
  }
  const middleware = operations(() => true);
  const chained = await serve((request, response) => middleware(request, response, () => response.end('next')));
  expect(await (await fetch(`${chained.url}/other`)).text()).toBe('next');
});

test('a taken port names the variable to set', async () => {
  const { port } = await serve(() => {});
  const attempt = listen(() => {}, { port, host: '127.0.0.1', variable: 'INGRESS_PORT' });
  await expect(attempt).rejects.toThrow(ConfigurationError);
  await expect(attempt).rejects.toThrow(
    new RegExp(`^INGRESS_PORT: Expected a free port, got ${port}.*Set INGRESS_PORT to another port`),
  );
});

test('a host that is not of this machine names BIND_HOST', async () => {
  await expect(listen(() => {}, { port: 0, host: '192.0.2.1', variable: 'INGRESS_PORT' })).rejects.toThrow(
    /^BIND_HOST: Expected an address of this machine/,
  );
});

test('closing lets a request finish, drops idle and silent connections, and is idempotent', async () => {
  let respond: () => void = () => {};
  const arrived = signal();
  const { server, url, port } = await serve((_request, response) => {
    respond = () => response.end('done');
    arrived.give();
  });
  const silent = net.connect(port, '127.0.0.1');
  silent.on('error', () => {});
  await once(silent, 'connect');
  const answer = fetch(url);
  await arrived.given;
  const closed = closeServer(server, 60_000);
  respond();
  expect(await (await answer).text()).toBe('done');
  await closed;
  await closeServer(server, 60_000);
  silent.destroy();
});

test('closing cuts a request that does not finish in time', async () => {
  const arrived = signal();
  const { server, url } = await serve(() => arrived.give());
  const answer = fetch(url);
  const refused = answer.then(
    () => 'answered',
    () => 'cut',
  );
  await arrived.given;
  await closeServer(server, 50);
  expect(await refused).toBe('cut');
});
