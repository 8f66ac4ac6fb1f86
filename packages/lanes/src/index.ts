export type * from './acceptor';
export type * from './inspector';
