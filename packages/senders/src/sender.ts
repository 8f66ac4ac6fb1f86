/** Headers by lower-case name, as Node gives them: repeated ones joined by a comma. */
export type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;

/** One inbound request, reduced to what a sender's rules are about. `body` is the raw bytes as they came over the wire. */
export interface Delivery {
  readonly headers: Headers;
  readonly body: Buffer;
}

export const signatureEncodings = ['base64', 'hex'] as const;
export type SignatureEncoding = (typeof signatureEncodings)[number];

/** What an operator sets for one source. A sender ignores the fields that its scheme has no use for. */
export interface SenderSettings {
  /** All secrets that are valid now: several while they rotate. Empty ones never verify anything. */
  readonly secrets: readonly string[];
  /** How the signature is written (violet). Default base64. */
  readonly signatureEncoding?: SignatureEncoding;
  /** JSON pointers (RFC 6901) into the body (standard). Defaults `/data/merchant_id` and `/type`. */
  readonly merchantPointer?: string;
  readonly topicPointer?: string;
}

/** Why a genuine delivery cannot be read as an event. */
export const unreadableReasons = ['unparseable', 'too_deep', 'topic_missing', 'topic_invalid', 'merchant_invalid'] as const;
export type UnreadableReason = (typeof unreadableReasons)[number];

interface Identified {
  /** Opaque, 1 to 256 characters; derived from topic and body where the sender gives none. */
  readonly eventId: string;
  /** Further ids under which the same event is to be known. */
  readonly aliases: readonly string[];
  /** The headers worth keeping with the event; never the signature. */
  readonly headers: Readonly<Record<string, string>>;
}

export interface IdentifiedEvent extends Identified {
  readonly kind: 'event';
  /** As sent. */
  readonly topic: string;
  /** Undefined when the event names no merchant, or more than one. */
  readonly merchantId: string | undefined;
}

export interface UnreadableDelivery extends Identified {
  readonly kind: 'unreadable';
  readonly reason: UnreadableReason;
  /** For the operator: what was expected and what came. Holds nothing of the body. */
  readonly message: string;
  /** Undefined when none is given or it cannot be one. */
  readonly topic: string | undefined;
}

export type Identity = IdentifiedEvent | UnreadableDelivery;

/** What the simulator and the tests send. */
export interface Message {
  readonly eventId: string;
  readonly topic: string;
  readonly body: Buffer | string;
  /** Epoch milliseconds, for schemes that sign the time. Default: now. */
  readonly sentAtMs?: number;
}

/** Everything that is particular to one sender. No function of it throws for any bytes in a delivery. */
export interface Sender {
  /** Names the source in paths, lanes, metrics and the API. */
  readonly source: string;
  /** Lower-case names of the headers without which no delivery is genuine. */
  readonly signatureHeaders: readonly string[];
  /** True only for a delivery signed, over its raw bytes, with one of the secrets. Takes the same time whichever secret it is. */
  verify(delivery: Delivery, settings: SenderSettings, nowMs: number): boolean;
  /** Reads a verified delivery: which event it is, of which topic and merchant. */
  identify(delivery: Delivery, settings: SenderSettings): Identity;
  /** The headers of a genuine delivery of the message, signed with the first secret. Throws a RangeError without a secret. */
  sign(message: Message, settings: SenderSettings): Record<string, string>;
}
