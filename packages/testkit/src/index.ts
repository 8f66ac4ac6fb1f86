export { type AppExit, type ServingApp, type SpawnedApp, type SpawnSettings, spawnApp } from './app';
export { startCluster } from './cluster';
export { type FaultProxy, type HalfOpen, startFaultProxy } from './fault-proxy';
export { freePort } from '@syncline/runtime';
export { type Keeper, startKeeper } from './keeper';
export { type RedisNode, startRedisNode } from './redis-node';
export { type RedisWhole, startSingleRedis } from './redis-whole';
export { startSentinelSet } from './sentinel';
export { temporaryFolder } from './temporary-folder';
export { startTestRedis, type TestRedis, type TestRedisSettings, testRedisProgram } from './test-redis';
export { type WaitForSettings, waitFor } from './wait-for';
export {
  type PageShape,
  type SeenRequest,
  startVioletApi,
  type VioletApiServer,
  type VioletEntity,
  type VioletFault,
  type VioletHoldings,
  type VioletSentEvent,
  type VioletWebhook,
  violetCollectionOf,
  violetOfferOf,
} from './violet-api';
export { readVioletOpenApi, type VioletService } from './violet-openapi';
