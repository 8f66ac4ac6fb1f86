export * from './errors';
export * from './event';
export * from './handler';
export * from './lane';
export * from './pattern';
export * from './retry-after';
export * from './retry-policy';
export * from './unit-of-work';
