export * from './config';
export * from './development';
export * from './http';
export * from './locations';
export * from './log';
export * from './operations';
export * from './process';
