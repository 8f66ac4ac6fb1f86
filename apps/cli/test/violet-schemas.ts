import { readVioletOpenApi, type VioletService } from '@syncline/testkit';
import { Ajv, type ValidateFunction } from 'ajv';
import addFormats from 'ajv-formats';

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
type JsonObject = { [key: string]: Json };

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function componentsOf(service: VioletService): JsonObject {
  const document = readVioletOpenApi(service);
  const components = isObject(document) && isObject(document.components) ? document.components.schemas : undefined;
  if (!isObject(components)) throw new TypeError(`Expected schemas of the service ${service}`);
  return components;
}

/**
 * OpenAPI 3.0 as JSON schema: `nullable` also stands beside references and enums there. Objects are closed, so that a property that the
 * sender does not have is an error.
 */
function converted(schema: Json): Json {
  if (Array.isArray(schema)) return schema.map(converted);
  if (!isObject(schema)) return schema;
  const { nullable, example: _example, $ref, ...rest } = schema;
  const result: JsonObject = Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, converted(value)]));
  if (Array.isArray(rest.enum)) result.enum = [...new Set(rest.enum)];
  if (typeof $ref === 'string') result.$ref = $ref.replace('#/components/schemas/', '#/definitions/');
  if (isObject(rest.properties)) {
    result.properties = Object.fromEntries(Object.entries(rest.properties).map(([name, value]) => [name, converted(value)]));
    result.additionalProperties = false;
  }
  return nullable === true ? { anyOf: [result, { type: 'null' }] } : result;
}

/** A validator of one of the sender's schemas. */
export function violetSchema(service: VioletService, name: string): ValidateFunction {
  const components = componentsOf(service);
  if (components[name] === undefined) throw new RangeError(`Expected a schema ${name} of the service ${service}`);
  const ajv = new Ajv({ strict: false, allErrors: true });
  addFormats.default(ajv);
  // The sender writes offsets without a colon, which RFC 3339 does not allow.
  ajv.addFormat('date-time', /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\+0000$/);
  return ajv.compile({ definitions: converted(components), $ref: `#/definitions/${name}` });
}

/** The event names that the sender's API knows. */
export function violetEventNames(): string[] {
  const names = new Set<string>();
  const collect = (value: unknown): void => {
    if (Array.isArray(value)) value.forEach(collect);
    if (!isObject(value)) return;
    if (Array.isArray(value.enum) && value.enum.includes('PRODUCT_SYNC_STARTED'))
      value.enum.forEach((name) => typeof name === 'string' && names.add(name));
    Object.values(value).forEach(collect);
  };
  collect(readVioletOpenApi('event'));
  return [...names];
}
