export { type Acceptor, type AcceptorSettings, type AcceptRequest, type AcceptResult, createAcceptor } from './acceptor';
export { parseRedisUrl } from './connection';
export { InvalidCursorError } from './cursor';
export { DataSetMismatchError } from './data-set';
export { createInspector, type Inspector, type InspectorSettings } from './inspector';
export type { Logger } from './logger';
export {
  createOperator,
  type DeadLetterFilter,
  type LaneVerb,
  laneVerbs,
  type Operator,
  type ReplayAnswer,
  type VerbAnswer,
} from './operator';
export type * from './readings';
export { timerEventId } from './state';
export { type TurnObserver, type TurnSettings, type Violation, violations } from './turn';
export { createTurnWorker, type TurnWorker, type TurnWorkerSettings } from './turn-worker';
