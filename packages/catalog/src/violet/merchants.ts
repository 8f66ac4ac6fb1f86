import { parseDate } from '../dates';
import { statusRef } from '../documents';
import { defineHandler, type Handler, type HandlerEvent } from '../handler';
import {
  merchantChanged,
  merchantComplete,
  merchantConnected,
  merchantDisabled,
  merchantDisconnected,
  merchantNeedsAttention,
  type StatusDocument,
} from '../status';
import { violetMerchant, type VioletMerchant } from './schemas';

const REASON_MAX_LENGTH = 1_000;

type MerchantEvent = HandlerEvent<VioletMerchant>;

/** What each merchant event does to the merchant's status. */
const changes: Record<string, (status: StatusDocument, event: MerchantEvent) => StatusDocument> = {
  MERCHANT_CONNECTED: (status, event) => merchantConnected(status, null, dateOf(event)),
  MERCHANT_ENABLED: (status, event) => merchantConnected(status, reasonOf(event), dateOf(event)),
  MERCHANT_DISABLED: (status, event) => merchantDisabled(status, reasonOf(event)),
  MERCHANT_DISCONNECTED: (status, event) => merchantDisconnected(status, dateOf(event)),
  MERCHANT_COMPLETE: (status) => merchantComplete(status),
  MERCHANT_NEEDS_ATTENTION: (status, event) => merchantNeedsAttention(status, event.receivedAt, reasonOf(event)),
};

export const merchantHandlers: Handler[] = Object.entries(changes).map(([topic, change]) =>
  defineHandler({
    source: 'violet',
    topics: [topic],
    payload: violetMerchant,
    reads: () => [statusRef],
    handle: (event, merchant) =>
      merchant.updateStatus((status) =>
        merchantChanged(status, dateOf(event), topic === 'MERCHANT_DISCONNECTED', (current) => change(current, event)),
      ),
  }),
);

function dateOf({ payload }: MerchantEvent): number | undefined {
  return parseDate(payload.date_last_modified);
}

function reasonOf({ headers, payload }: MerchantEvent): string | null {
  const reason = headers['x-violet-reason'] ?? payload.reason;
  return typeof reason === 'string' && reason.trim() !== '' ? reason.trim().slice(0, REASON_MAX_LENGTH) : null;
}
