import path from 'node:path';
import type { Environment } from './config';

/** The root of the clone that this package belongs to. */
export const repositoryRoot: string = path.resolve(__dirname, '..', '..', '..');

/** The folder of a local run's data: SYNCLINE_DATA_DIR (relative to the working directory), else `.syncline` in the clone. */
export function dataDirectory(env: Environment): string {
  return env.SYNCLINE_DATA_DIR ? path.resolve(env.SYNCLINE_DATA_DIR) : path.join(repositoryRoot, '.syncline');
}
