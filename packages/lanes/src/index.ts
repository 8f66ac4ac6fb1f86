export { type AcceptRequest, type AcceptResult, type Acceptor, type AcceptorSettings, createAcceptor } from './acceptor';
export { parseRedisUrl } from './connection';
export { DataSetMismatchError } from './data-set';
export { InvalidCursorError } from './cursor';
export { createInspector, type Inspector, type InspectorSettings } from './inspector';
export type * from './readings';
export type { Logger } from './logger';
export { createTurnWorker, type TurnWorker, type TurnWorkerSettings } from './turn-worker';
export { type TurnObserver, type TurnSettings, type Violation, violations } from './turn';
export {
  createOperator,
  type DeadLetterFilter,
  type LaneVerb,
  laneVerbs,
  type Operator,
  type ReplayAnswer,
  type VerbAnswer,
} from './operator';
