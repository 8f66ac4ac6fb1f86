import { statusRef } from '../documents';
import { defineHandler, type Handler } from '../handler';
import { syncCompleted, syncFailed, syncStarted } from '../status';
import { trackNames, type SyncCounts, type TrackName } from '../track';
import { violetSync, type VioletSync } from './schemas';

const ERROR_MAX_LENGTH = 1_000;

/** Fields under which a failed sync may say why, the most telling first, in lower case without underscores. */
const errorFields = [
  'errormessage',
  'error',
  'errors',
  'lasterror',
  'failuremessage',
  'failurereason',
  'failedreason',
  'errordescription',
  'errordetails',
  'errorcode',
  'statusmessage',
  'message',
  'reason',
  'description',
];

/** Started, completed and failed come at the time of their receipt; a merchant's runs are paired by track, not by the body's id. */
export const syncHandlers: Handler[] = trackNames.flatMap((track) => {
  const topic = (what: string): string[] => [`${track.toUpperCase()}_SYNC_${what}`];
  const shape = { source: 'violet', payload: violetSync, reads: () => [statusRef] };
  return [
    defineHandler({
      ...shape,
      topics: topic('STARTED'),
      handle: ({ payload, receivedAt }, merchant) =>
        merchant.updateStatus((status) => syncStarted(status, track, receivedAt, countsOf(track, payload))),
    }),
    defineHandler({
      ...shape,
      topics: topic('COMPLETED'),
      handle: ({ payload, receivedAt }, merchant) =>
        merchant.updateStatus((status) => syncCompleted(status, track, receivedAt, countsOf(track, payload))),
    }),
    defineHandler({
      ...shape,
      topics: topic('FAILED'),
      handle: ({ payload, receivedAt }, merchant) =>
        merchant.updateStatus((status) => syncFailed(status, track, receivedAt, countsOf(track, payload), errorOf(payload))),
    }),
  ];
});

function countsOf(track: TrackName, payload: VioletSync): SyncCounts {
  return { total: countIn(payload[`total_${track}s`]), synced: countIn(payload[`total_${track}s_synced`]) };
}

function countIn(value: unknown): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null;
}

/** What the body of a failed sync says about the failure; its status when it says nothing else. Null when there is neither. */
function errorOf(payload: VioletSync): string | null {
  const fields = new Map(Object.entries(payload).map(([field, value]) => [plain(field), value]));
  for (const field of [...errorFields, 'status']) {
    const text = textOf(fields.get(field));
    if (text !== '') return text.slice(0, ERROR_MAX_LENGTH);
  }
  return null;
}

function textOf(value: unknown): string {
  if (typeof value === 'string') return value.trim();
  if (typeof value === 'number') return String(value);
  if (Array.isArray(value))
    return value
      .map(textOf)
      .filter((text) => text !== '')
      .join('; ');
  if (typeof value !== 'object' || value === null) return '';
  const fields = new Map(Object.entries(value).map(([field, inner]) => [plain(field), inner]));
  const telling = errorFields.map((field) => fields.get(field)).find((inner) => typeof inner === 'string' && inner.trim() !== '');
  if (typeof telling === 'string') return telling.trim();
  return fields.size === 0 ? '' : JSON.stringify(value);
}

function plain(field: string): string {
  return field.toLowerCase().replaceAll('_', '');
}
