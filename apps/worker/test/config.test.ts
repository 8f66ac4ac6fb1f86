import { ConfigurationError, loadConfig } from '@syncline/runtime';
import { overdueTimes, workerConfig } from '../src/config';

const HOUR_MS = 3_600_000;

describe('how long a sync may run', () => {
  it('is six hours for every source unless it is set', () => {
    const overdueMs = overdueTimes(loadConfig(workerConfig, {}));
    expect(['violet', 'propexo', 'synctec', 'standard', 'another'].map(overdueMs)).toEqual(Array(5).fill(6 * HOUR_MS));
  });

  it('can be set for all sources, and for one', () => {
    const overdueMs = overdueTimes(loadConfig(workerConfig, { SYNC_OVERDUE_MS: '1000', SYNC_OVERDUE_PROPEXO_MS: '2000' }));
    expect(['violet', 'propexo'].map(overdueMs)).toEqual([1_000, 2_000]);
  });

  it.each(['SYNC_OVERDUE_MS', 'SYNC_OVERDUE_VIOLET_MS', 'SYNC_OVERDUE_STANDARD_MS', 'SYNC_FAILURES_ALERT_AFTER'])(
    'and how many failures are tolerated are refused when they are none: %s',
    (variable) => {
      for (const value of ['0', '-1', 'soon', '1.5']) {
        expect(() => loadConfig(workerConfig, { [variable]: value })).toThrow(ConfigurationError);
        expect(() => loadConfig(workerConfig, { [variable]: value })).toThrow(`${variable}: Expected an integer`);
      }
    },
  );
});
