export * from './dispatch';
export * from './documents';
export type { Entities, Entity } from './entities';
export * from './handler';
export type { Merchant } from './merchant';
export * from './status';
export * from './track';
export * from './violet/schemas';
