import type { FollowUp, UnitOfWork } from '@syncline/events';
import { readNotices } from '../src/config';
import { deliveryPayload } from '../src/notice';
import { createNotifier } from '../src/notifier';

const subject = { source: 'violet', merchantId: '10042', at: 1_700_000_000_000 };

function appendedFor(
  subscription: Record<string, unknown>,
  kind: string,
  data: Record<string, unknown> = {},
): { followUp: FollowUp; to: unknown }[] {
  const file = { destinations: { hook: { type: 'webhook', url: 'https://hook.example/', ...subscription } } };
  const result = readNotices(JSON.stringify(file), {}, '/');
  if ('problems' in result) throw new Error(result.problems.join());
  const appended: { followUp: FollowUp; to: unknown }[] = [];
  const unit: Pick<UnitOfWork, 'append'> = { append: (followUp, to) => void appended.push({ followUp, to }) };
  createNotifier(result.config)(unit as UnitOfWork, subject, kind, data);
  return appended;
}

test.each([
  [{ kinds: ['sync.failed'] }, 'sync.failed', true],
  [{ kinds: ['sync.failed'] }, 'sync.failed-twice', false],
  [{ kinds: ['sync.*'] }, 'sync.overdue', true],
  [{ kinds: ['sync.*'] }, 'sync', false],
  [{ kinds: ['catalog.*', 'sync.failed'] }, 'sync.failed', true],
  [{ kinds: ['*'] }, 'a.kind.of-the-users', true],
  [{ kinds: ['*'], sources: ['violet'] }, 'x', true],
  [{ kinds: ['*'], sources: ['synctec'] }, 'x', false],
  [{ kinds: ['*'], merchants: ['10042'] }, 'x', true],
  [{ kinds: ['*'], merchants: ['1004'] }, 'x', false],
  [{ kinds: ['*'], sources: ['violet'], merchants: ['7'] }, 'x', false],
])('the subscription %j is for %s of merchant 10042 of violet: %s', (subscription, kind, isFor) => {
  expect(appendedFor(subscription, kind)).toHaveLength(isFor ? 1 : 0);
});

test('a delivery goes to the lane of its destination, and names no more than that', () => {
  expect(appendedFor({ kinds: ['*'] }, 'sync.failed', { error: 'boom' })).toEqual([
    {
      followUp: {
        topic: 'syncline.delivery',
        payload: {
          destination: 'hook',
          notice: { kind: 'sync.failed', source: 'violet', merchantId: '10042', at: subject.at, data: { error: 'boom' } },
        },
      },
      to: { sideLane: 'hook' },
    },
  ]);
});

test('of data that is too large what is short is delivered, and that it is not all', () => {
  const product = {
    id: 7,
    title: 't'.repeat(5_000),
    images: ['x'.repeat(1_000_000)],
    details: { html: 'y'.repeat(1_000_000), sku: 'S' },
  };
  const [delivery] = appendedFor({ kinds: ['*'] }, 'product.synced', { product, status: 'synced' });
  const { data } = deliveryPayload.parse(delivery?.followUp.payload).notice;
  expect(data).toEqual({
    product: { id: 7, title: 't'.repeat(1_000), images: null, details: { html: 'y'.repeat(1_000), sku: 'S' } },
    status: 'synced',
    truncated: true,
  });
});

test('data of however many fields stays below what is delivered', () => {
  const many = Object.fromEntries(Array.from({ length: 100_000 }, (_, index) => [`field-${index}`, 'z'.repeat(50)]));
  const [delivery] = appendedFor({ kinds: ['*'] }, 'x', many);
  expect(JSON.stringify(delivery?.followUp.payload).length).toBeLessThan(200_000);
});

test('data that is no JSON fails the event whose handler gave it, and says which notice it was', () => {
  const circular: Record<string, unknown> = {};
  circular.self = circular;
  for (const data of [circular, { big: 1n }]) {
    expect(() => appendedFor({ kinds: ['*'] }, 'my.kind', data)).toThrow(/data of a notice my\.kind to be JSON/);
  }
});
