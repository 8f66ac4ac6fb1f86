import { usableDate } from '../dates';
import { statusRef } from '../documents';
import { defineHandler, type Handler, type HandlerEvent } from '../handler';
import {
  catalogAwaited,
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
const PLATFORM_MAX_LENGTH = 64;

type MerchantEvent = HandlerEvent<VioletMerchant>;

/** What each merchant event does to the merchant's status. */
const changes: Record<string, (status: StatusDocument, event: MerchantEvent) => StatusDocument> = {
  MERCHANT_CONNECTED: (status, event) => catalogAwaited(merchantConnected(status, null, dateOf(event)), event.receivedAt),
  MERCHANT_ENABLED: (status, event) =>
    catalogAwaited(merchantConnected(status, reasonOf(event), dateOf(event)), event.receivedAt),
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
        merchantChanged(status, dateOf(event), topic === 'MERCHANT_DISCONNECTED', (current) => ({
          ...change(current, event),
          platform: platformOf(event) ?? current.platform,
        })),
      ),
  }),
);

function dateOf({ payload, receivedAt }: MerchantEvent): number | undefined {
  return usableDate(payload.date_last_modified, receivedAt);
}

function platformOf({ payload: { platform } }: MerchantEvent): string | null {
  return typeof platform === 'string' && platform.trim() !== '' ? platform.trim().slice(0, PLATFORM_MAX_LENGTH) : null;
}

function reasonOf({ headers, payload }: MerchantEvent): string | null {
  const reason = headers['x-violet-reason'] ?? payload.reason;
  return typeof reason === 'string' && reason.trim() !== '' ? reason.trim().slice(0, REASON_MAX_LENGTH) : null;
}
