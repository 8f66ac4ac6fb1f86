export * from './config';
export * from './dedup-windows';
export * from './development';
export * from './http';
export * from './locations';
export * from './log';
export * from './operations';
export * from './process';
export * from './random';
export { type AofCheck, AofError, checkAof } from './redis/check-aof';
export {
  describeRedisProgram,
  type FindRedisSettings,
  type FoundRedis,
  findRedis,
  findRedisProgram,
  type RedisProgram,
} from './redis/find-redis';
export { freePort } from './redis/free-port';
export { pingRedis } from './redis/ping-redis';
export { beginningOf, commandOf, isAlive, sendSignal, waitUntil } from './redis/process-control';
export { type RedisEnd, type RedisServer, type RedisServerSettings, startRedisServer } from './redis/redis-server';
export { createRegistry } from './registry';
