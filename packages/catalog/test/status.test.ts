import { merchantStatusOf, readStatusDocument, syncCompleted, syncStarted } from '../src/index';

describe('the status document', () => {
  it.each([[undefined], [null], [{}], [{ tracks: {} }]])('gives a merchant never seen the initial status: %j', (document) => {
    const track = {
      state: 'never',
      startedAt: null,
      finishedAt: null,
      durationMs: null,
      runs: 0,
      completed: 0,
      failed: 0,
      consecutiveFailures: 0,
      firstCompletedAt: null,
      total: null,
      synced: null,
      lastError: null,
    };
    expect(merchantStatusOf(document)).toEqual({
      connection: 'unknown',
      catalogReady: false,
      catalogReadyAt: null,
      catalogStaleSince: null,
      tracks: { product: track, collection: track },
    });
  });

  it('shows times as ISO 8601 UTC with milliseconds', () => {
    const status = merchantStatusOf(
      syncCompleted(syncStarted(readStatusDocument({}), 'product', 0), 'product', 1_744_129_312_007),
    );
    expect(status.tracks.product).toMatchObject({
      startedAt: '1970-01-01T00:00:00.000Z',
      finishedAt: '2025-04-08T16:21:52.007Z',
    });
    expect(status.catalogReadyAt).toBe('2025-04-08T16:21:52.007Z');
  });

  it('reads back what it stored, through JSON', () => {
    const status = syncCompleted(syncStarted(readStatusDocument(undefined), 'collection', 5), 'product', 9);
    expect(readStatusDocument(JSON.parse(JSON.stringify(status)))).toEqual(status);
  });

  it('keeps the fields of a newer version when it writes', () => {
    const newer = { priority: 'high', tracks: { product: { throttled: true }, inventory: { state: 'synced' } } };
    expect(syncStarted(readStatusDocument(newer), 'product', 1)).toMatchObject({
      priority: 'high',
      tracks: { product: { throttled: true, state: 'syncing' }, inventory: { state: 'synced' } },
    });
  });

  it.each([
    [{ connection: 'frozen' }],
    [{ tracks: { product: { state: 'paused' } } }],
    [{ catalogReadyAt: 'yesterday' }],
    ['text'],
    [[]],
    [7],
  ])('is not written over when it holds what this version does not know: %j', (document) => {
    expect(() => readStatusDocument(document)).toThrow(/^Expected a merchant status document, got /);
  });
});
