export type { ResolveHost } from './address';
export { type Destination, noNotices, type NoticesConfig, readNotices } from './config';
export { createDeliveryHandler, type DeliveryOutcome, type DeliverySettings, deliveryOutcomes } from './delivery';
export { DELIVERY_TOPIC } from './notice';
export { createNotifier } from './notifier';
export { undeliverable } from './undeliverable';
