import { Cluster, Redis, type RedisOptions } from 'ioredis';

export type RedisClient = Redis | Cluster;

/**
 * How a connection is used.
 * - accept: answers fast or fails fast; a command that timed out may still run, which dedup makes harmless
 * - work: never gives up; steps are repeatable, so resending after a reconnect is harmless. Nothing is pipelined: of a pipeline that was
 *   cut, the client resends nothing
 * - queue: BullMQ's own, never gives up
 * - read: for people and scrapes; fails fast
 */
export type ConnectionUse = { kind: 'accept' | 'read'; timeoutMs: number } | { kind: 'work' | 'queue' };

type TargetOptions = Pick<
  RedisOptions,
  'username' | 'password' | 'tls' | 'host' | 'port' | 'db' | 'sentinels' | 'name' | 'enableTLSForSentinelMode'
>;

type Target =
  | { kind: 'single' | 'sentinel'; options: TargetOptions }
  | { kind: 'cluster'; nodes: { host: string; port: number }[]; options: Pick<TargetOptions, 'username' | 'password' | 'tls'> };

/**
 * Reads REDIS_URL: `redis[s]://[user:password@]host[:port][/db]`, `redis[s]+sentinel://[…@]host:port,host:port/master-name[?db=n]` or
 * `redis[s]+cluster://[…@]host:port,host:port`. Throws a RangeError that names the forms; the message never holds the URL, which may
 * hold a password.
 */
export function parseRedisUrl(url: string): Target {
  const match = /^redis(s?)(?:\+(sentinel|cluster))?:\/\/(?:([^@/]*)@)?([^/?]+)(?:\/([^?]*))?(?:\?(.*))?$/.exec(url);
  if (!match) throw new RangeError(`Expected ${URL_FORMS}`);
  const [, tls, form, credentials, hosts = '', path = '', query = ''] = match;
  const nodes = hosts.split(',').map((entry) => {
    const node = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(entry);
    const host = node?.[1] ?? node?.[2];
    if (!host) throw new RangeError(`Expected ${URL_FORMS}`);
    return { host, port: Number(node?.[3] ?? (form === 'sentinel' ? 26379 : 6379)) };
  });
  const [user, password] = credentialsOf(credentials);
  const options = {
    ...(user && { username: user }),
    ...(password && { password }),
    ...(tls && { tls: {} }),
  };
  const parameters = new URLSearchParams(query);
  if (form === 'cluster') return { kind: 'cluster', nodes, options };
  if (form === 'sentinel') {
    if (!path) throw new RangeError(`Expected the master's name as the path of a sentinel URL; forms: ${URL_FORMS}`);
    return {
      kind: 'sentinel',
      options: {
        ...options,
        sentinels: nodes,
        name: path,
        db: database(parameters.get('db') ?? ''),
        ...(tls && { enableTLSForSentinelMode: true }),
      },
    };
  }
  const [node] = nodes;
  if (!node || nodes.length > 1) throw new RangeError(`Expected one host, got several; forms: ${URL_FORMS}`);
  return { kind: 'single', options: { ...options, ...node, db: database(path) } };
}

const URL_FORMS =
  'redis://[user:password@]host[:port][/db], redis+sentinel://host:port,host:port/master-name or redis+cluster://host:port,host:port';

function credentialsOf(text: string | undefined): [string | undefined, string | undefined] {
  if (text === undefined) return [undefined, undefined];
  const colon = text.indexOf(':');
  const user = colon < 0 ? text : text.slice(0, colon);
  return [decoded(user), colon < 0 ? undefined : decoded(text.slice(colon + 1))];
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw new RangeError('Expected user and password with every special character percent-encoded', { cause });
  }
}

function database(text: string): number {
  if (!/^\d{0,4}$/.test(text)) throw new RangeError(`Expected a database number; forms: ${URL_FORMS}`);
  return Number(text || '0');
}

/** Opens a connection; it connects in the background and goes on trying. The caller must listen to `error`. */
export function openConnection(url: string, use: ConnectionUse): RedisClient {
  const target = parseRedisUrl(url);
  const enableAutoPipelining = use.kind === 'read';
  const shared = {
    // BullMQ reads the reply shapes of RESP2.
    replyMapping: 'legacy' as const,
    enableAutoPipelining,
    maxRetriesPerRequest: null,
    connectTimeout: 2_000,
    retryStrategy: (tries: number) => Math.min(50 * tries, 500),
    // A failover leaves the old master read-only for a moment: reconnect, and repeat the command.
    reconnectOnError: (error: Error) => (error.message.startsWith('READONLY') ? (2 as const) : false),
    ...('timeoutMs' in use && { enableOfflineQueue: false, autoResendUnfulfilledCommands: false, commandTimeout: use.timeoutMs }),
  };
  if (target.kind === 'cluster') {
    return new Cluster(target.nodes, {
      redisOptions: { ...target.options, ...shared },
      enableOfflineQueue: !('timeoutMs' in use),
      enableAutoPipelining,
      clusterRetryStrategy: (tries: number) => Math.min(100 + 50 * tries, 1_000),
      retryDelayOnFailover: 100,
      retryDelayOnClusterDown: 200,
      slotsRefreshTimeout: 2_000,
      maxRedirections: 64,
    });
  }
  if (target.kind === 'sentinel') {
    return new Redis({ ...target.options, ...shared, sentinelRetryStrategy: (tries: number) => Math.min(50 * tries, 500) });
  }
  return new Redis({ ...target.options, ...shared });
}

/** Closes a connection without waiting for what it cannot reach. */
export function closeConnection(client: RedisClient): void {
  client.disconnect();
}
