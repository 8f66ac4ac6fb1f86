export { type AppExit, type ServingApp, type SpawnedApp, spawnApp } from './app';
export { freePort } from '@syncline/runtime';
export { temporaryFolder } from './temporary-folder';
export { startTestRedis, type TestRedis, type TestRedisSettings, testRedisProgram } from './test-redis';
export { type WaitForSettings, waitFor } from './wait-for';
