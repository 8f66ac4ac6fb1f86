import { senders } from '@syncline/senders';
import { BODY_BYTES, bodyOf, eventOf, requestOf, SECRET } from '../src/events';

/** The parts of a written HTTP request. */
function parsed(request: Buffer) {
  const [head = '', body = ''] = request.toString().split('\r\n\r\n');
  const [requestLine, ...lines] = head.split('\r\n');
  const headers = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 2)]),
  );
  return { requestLine, headers, body: Buffer.from(body) };
}

it.each([0, 7, 99_999, 1_000_000])('body %d has exactly the size that the benchmarks speak of', (index) => {
  expect(Buffer.byteLength(bodyOf(index, 1_000))).toBe(BODY_BYTES);
});

it('a written request is genuine, and names the event and the merchant that the lanes are filled with', () => {
  const { requestLine, headers, body } = parsed(requestOf('series', 1_234, 1_000));
  expect(requestLine).toBe('POST /webhooks/violet HTTP/1.1');
  expect(headers['content-length']).toBe(String(BODY_BYTES));
  const delivery = { headers, body };
  expect(senders.violet.verify(delivery, { secrets: [SECRET] }, Date.now())).toBe(true);
  const { lane, eventId, topic } = eventOf('series', 1_234, 1_000);
  expect(senders.violet.identify(delivery, { secrets: [SECRET] })).toMatchObject({
    kind: 'event',
    eventId,
    topic,
    merchantId: lane.split(':')[1],
  });
});

it('events go to the merchants in turn', () => {
  const lanes = [0, 1, 2, 3].map((index) => eventOf('series', index, 3).lane);
  expect(lanes).toEqual(['violet:1', 'violet:2', 'violet:3', 'violet:1']);
});
