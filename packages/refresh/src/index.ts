export { disabledWebhooksRef, GAPS_LANE, gapsEvent, type GapSettings, type LatestRun } from './gaps';
export * from './plan';
export { createRefreshHandlers, type RefreshSettings } from './refresh';
export * from './topics';
export * from './violet-api/client';
export * from './violet-api/errors';
export { createLimit, type Limit, type LimitSettings } from './violet-api/limit';
export * from './violet-api/pages';
