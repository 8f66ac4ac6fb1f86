import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { isCatalogTopic, violetCollection, violetMerchant, violetOffer, violetPlatforms, violetSync } from '../src/index';
import { MerchantLane } from './merchant-lane';

type Node = Record<string, unknown>;
type Service = 'catalog' | 'event' | 'merchant' | 'operations';

function openApi(service: Service): Node {
  return parse(readFileSync(join(__dirname, '../../testkit/violet-openapi', `${service}-service.yaml`), 'utf8')) as Node;
}

const openApis: Record<Service, Node> = {
  catalog: openApi('catalog'),
  event: openApi('event'),
  merchant: openApi('merchant'),
  operations: openApi('operations'),
};

function at(node: unknown, ...path: string[]): Node {
  return path.reduce<unknown>((current, key) => (current as Node)[key], node) as Node;
}

/** Every object in the document's examples for which the test holds. */
function examplesIn(node: unknown, isWanted: (value: Node) => boolean, inExample = false): Node[] {
  if (typeof node !== 'object' || node === null) return [];
  const found = inExample && !Array.isArray(node) && isWanted(node as Node) ? [node as Node] : [];
  const inner = Object.entries(node).flatMap(([key, value]) =>
    examplesIn(value, isWanted, inExample || key === 'example' || key === 'examples'),
  );
  return [...found, ...inner];
}

/** A value for a property of a schema, as Violet's own types would have it. */
function sampleOf(property: Node): unknown {
  if (property.type === 'integer') return 10_042;
  if (property.type === 'number') return 0.5;
  if (property.type === 'boolean') return true;
  if (property.type === 'array') return [];
  if (property.type !== 'string') return {};
  return Array.isArray(property.enum) ? property.enum[0] : property.format === 'date-time' ? '2025-04-08T16:21:52+0000' : 'text';
}

function entitiesOf(service: Service, name: string): { all: Node; withNulls: Node; required: Node } {
  const schema = at(openApis[service], 'components', 'schemas', name);
  const properties = Object.entries(schema.properties as Record<string, Node>);
  const required = new Set(schema.required as string[]);
  return {
    all: Object.fromEntries(properties.map(([key, property]) => [key, sampleOf(property)])),
    withNulls: Object.fromEntries(
      properties.map(([key, property]) => [key, property.nullable === true ? null : sampleOf(property)]),
    ),
    required: Object.fromEntries(
      properties.filter(([key]) => required.has(key)).map(([key, property]) => [key, sampleOf(property)]),
    ),
  };
}

describe("the schemas of Violet's bodies", () => {
  it('accept every official example of an offer unchanged', async () => {
    const page = at(
      openApis.catalog,
      'paths',
      '/catalog/offers/merchants/{merchant_id}',
      'get',
      'responses',
      '200',
      'content',
      'application/json',
      'examples',
    );
    const ofMerchant = Object.values(page).flatMap((example) => at(example, 'value').content as Node[]);
    const offers = [
      ...ofMerchant,
      ...examplesIn(openApis.catalog, (value) => 'merchant_id' in value && 'publishing_status' in value),
    ];
    expect(ofMerchant.length).toBeGreaterThan(0);
    for (const offer of offers) {
      expect(violetOffer.parse(offer)).toEqual(offer);
      const lane = new MerchantLane();
      await expect(lane.apply('OFFER_ADDED', offer)).resolves.toBe('processed');
      expect(lane.document('offers', String(offer.id))).toEqual(offer);
      expect(lane.ids('offers-undated')).toEqual([]);
    }
  });

  it.each([
    ['catalog', 'Offer', violetOffer],
    ['catalog', 'Collection', violetCollection],
    ['merchant', 'Merchant', violetMerchant],
    ['operations', 'ShopifyProductSync', violetSync],
  ] as const)("accept what %s's own schema of %s allows, and keep it", (service, name, schema) => {
    const { all, withNulls, required } = entitiesOf(service, name);
    // Merchant's list of required properties is about creating one and leaves out the id that every webhook has.
    for (const body of [all, withNulls, { id: 10_042, ...required }]) expect(schema.parse(body)).toEqual(body);
  });

  it('accept the merchants in the official examples', () => {
    const merchants = examplesIn(openApis.merchant, (value) => 'merchant_name' in value && 'id' in value);
    for (const merchant of merchants) expect(violetMerchant.parse(merchant)).toEqual(merchant);
  });
});

describe('the topics of the catalogue', () => {
  const names = at(openApis.event, 'components', 'schemas');
  const official = new Set(
    Object.values(names)
      .flatMap((schema) => Object.values((schema as Node).properties ?? {}) as Node[])
      .flatMap((property) => (Array.isArray(property.enum) ? (property.enum as string[]) : []))
      .filter((value) => value.includes('_')),
  );
  const handled = [
    'MERCHANT_CONNECTED',
    'MERCHANT_DISCONNECTED',
    'MERCHANT_ENABLED',
    'MERCHANT_DISABLED',
    'MERCHANT_COMPLETE',
    'MERCHANT_NEEDS_ATTENTION',
    'PRODUCT_SYNC_STARTED',
    'PRODUCT_SYNC_COMPLETED',
    'PRODUCT_SYNC_FAILED',
    'COLLECTION_SYNC_STARTED',
    'COLLECTION_SYNC_COMPLETED',
    'COLLECTION_SYNC_FAILED',
    'OFFER_ADDED',
    'OFFER_UPDATED',
    'OFFER_REMOVED',
    'OFFER_DELETED',
    'COLLECTION_CREATED',
    'COLLECTION_UPDATED',
    'COLLECTION_REMOVED',
    'COLLECTION_OFFERS_UPDATED',
  ];

  it("are names of Violet's, OFFER_CREATED apart", () => {
    expect(handled.filter((topic) => !official.has(topic))).toEqual([]);
    expect(official.has('OFFER_CREATED')).toBe(false);
    expect(isCatalogTopic('violet', 'OFFER_CREATED')).toBe(true);
  });

  it('are these and no others', () => {
    expect([...official].filter((topic) => isCatalogTopic('violet', topic)).toSorted()).toEqual(handled.toSorted());
  });

  it.each([
    ['violet', 'ORDER_UPDATED'],
    ['violet', 'offer_added'],
    ['violet', 'OFFER_ADDED_TWICE'],
    ['violet', ''],
    ['standard', 'OFFER_ADDED'],
    ['standard', 'SYNC_COMPLETE'],
    ['propexo', 'WRITE_OPERATION_FAILURE'],
    ['synctec', 'PRODUCT_SYNC_COMPLETED'],
  ])('do not include %s %j', (source, topic) => {
    expect(isCatalogTopic(source, topic)).toBe(false);
  });
});

test("the platforms are those that Violet's merchants and offers name", () => {
  const named = [
    at(openApis.merchant, 'components', 'schemas', 'Merchant', 'properties', 'platform').enum as string[],
    at(openApis.catalog, 'components', 'schemas', 'Offer', 'properties', 'source').enum as string[],
  ];
  expect([...violetPlatforms].toSorted()).toEqual([...new Set(named.flat())].toSorted());
});
