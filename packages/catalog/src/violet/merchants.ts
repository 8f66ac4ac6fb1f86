import { parseDate } from '../dates';
import { statusRef } from '../documents';
import { defineHandler, type Handler, type HandlerEvent } from '../handler';
import {
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
  MERCHANT_CONNECTED: (status) => merchantConnected(status),
  MERCHANT_ENABLED: (status, event) => merchantConnected(status, reasonOf(event)),
  MERCHANT_DISABLED: (status, event) => merchantDisabled(status, reasonOf(event)),
  MERCHANT_DISCONNECTED: (status) => merchantDisconnected(status),
  MERCHANT_COMPLETE: (status) => merchantComplete(status),
  MERCHANT_NEEDS_ATTENTION: (status, event) => merchantNeedsAttention(status, event.receivedAt, reasonOf(event)),
};

/** An event whose merchant is older, by its own `date_last_modified`, than that of the event before it came late and changes nothing. */
export const merchantHandlers: Handler[] = Object.entries(changes).map(([topic, change]) =>
  defineHandler({
    source: 'violet',
    topics: [topic],
    payload: violetMerchant,
    reads: () => [statusRef],
    handle: (event, merchant) => {
      const date = parseDate(event.payload.date_last_modified);
      return merchant.updateStatus((status) => {
        if (date !== undefined && status.connectionDate !== null && date < status.connectionDate) return status;
        const dated = { ...change(status, event), connectionDate: date ?? null };
        return topic === 'MERCHANT_DISCONNECTED' ? { ...dated, disconnectDate: date ?? null } : dated;
      });
    },
  }),
);

function reasonOf({ headers, payload }: MerchantEvent): string | null {
  const reason = headers['x-violet-reason'] ?? payload.reason;
  return typeof reason === 'string' && reason.trim() !== '' ? reason.trim().slice(0, REASON_MAX_LENGTH) : null;
}
