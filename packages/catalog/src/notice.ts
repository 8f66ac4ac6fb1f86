import type { UnitOfWork } from '@syncline/events';

/** What somebody may want to be told of. A user's handlers may add kinds of their own. */
export const noticeKinds = [
  'sync.failed',
  'sync.overdue',
  'sync.recovered',
  'sync.failing-repeatedly',
  'sync.failures-rising',
  'catalog.ready',
  'product.synced',
  'sync.missing',
  'sync.orphaned',
  'refresh.failed',
  'refresh.mismatch',
  'webhook.disabled',
  'inventory.updated',
] as const;
export type NoticeKind = (typeof noticeKinds)[number];

/** The merchant that a notice is about. */
export interface NoticeSubject {
  readonly source: string;
  readonly merchantId: string;
  /** The receipt of the event that it comes from, in epoch milliseconds. */
  readonly at: number;
}

/** A JSON object. */
export type NoticeData = Readonly<Record<string, unknown>>;

/** Asks for the deliveries of one notice, as effects of the event's unit of work: they happen with its commit, or not at all. */
export type Notifier = (unit: UnitOfWork, merchant: NoticeSubject, kind: string, data: NoticeData) => void;

export interface Notice {
  readonly kind: string;
  readonly data: NoticeData;
}
