/**
 * Keeps a search index in step with Violet's offers, over the REST API of Elasticsearch or OpenSearch:
 *
 *   SEARCH_URL=https://search.example/offers HANDLERS=./examples/search-index.mjs npm start
 */
const { SEARCH_URL: index, SEARCH_AUTHORIZATION: authorization } = process.env;
if (!index) throw new Error('Expected the URL of an index in SEARCH_URL');

async function call(method, offerId, document, { signal, idempotencyKey }) {
  const response = await fetch(`${index}/_doc/${offerId}`, {
    method,
    signal, // fires at HANDLER_TIMEOUT_MS, at shutdown, and when another worker has taken over
    redirect: 'error',
    headers: {
      'content-type': 'application/json',
      'idempotency-key': idempotencyKey, // the same for every attempt at this event, also by another worker
      ...(authorization && { authorization }),
    },
    ...(document && { body: JSON.stringify(document) }),
  });
  await response.body?.cancel();
  if (response.ok || (method === 'DELETE' && response.status === 404)) return;
  const error = new Error(`Expected 2xx for the offer ${offerId}, got ${response.status}`);
  const isPassing = response.status === 429 || response.status >= 500;
  if (!isPassing) throw Object.assign(error, { code: 'PERMANENT' }); // a dead letter at once
  const seconds = Number(response.headers.get('retry-after'));
  throw seconds > 0 ? Object.assign(error, { retryAfterMs: seconds * 1_000 }) : error; // attempted again, in its place
}

export const handlers = [
  {
    name: 'search-index.put', // goes into the idempotency key
    source: 'violet',
    topics: ['OFFER_ADDED', 'OFFER_UPDATED', 'OFFER_CREATED'],
    external: true, // acts outside Syncline: the event is committed alone
    async handle({ payload: { id } }, merchant, context) {
      const offer = await merchant.offers.get(id); // as the built-in handler has just stored it
      const { name, description, available, visible, min_price, currency } = offer;
      const document = { merchantId: merchant.merchantId, name, description, available, visible, price: min_price, currency };
      await call('PUT', id, document, context);
    },
  },
  {
    name: 'search-index.delete',
    source: 'violet',
    topics: ['OFFER_REMOVED', 'OFFER_DELETED'],
    external: true,
    handle: ({ payload: { id } }, _merchant, context) => call('DELETE', id, undefined, context),
  },
];
