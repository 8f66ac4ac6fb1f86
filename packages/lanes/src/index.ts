export { type AcceptRequest, type AcceptResult, type Acceptor, type AcceptorSettings, createAcceptor } from './acceptor';
export { parseRedisUrl } from './connection';
export { DataSetMismatchError } from './data-set';
export { LONGEST_WINDOW_MS } from './dedup';
export type * from './inspector';
export type { Logger } from './logger';
export { createTurnWorker, type TurnWorker, type TurnWorkerSettings } from './turn-worker';
export type { TurnObserver, TurnSettings } from './turn';
