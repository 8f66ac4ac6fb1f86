import { Ajv, type ValidateFunction } from 'ajv';
import addFormats from 'ajv-formats';
import { readVioletOpenApi } from './violet-openapi';

/** A request as a server sees it. */
export interface ContractRequest {
  readonly method: string;
  /** Without the version that every path begins with. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** The body as JSON; undefined when there is none. */
  readonly body: unknown;
}

/** What the contract says of a request: what is wrong with it, and how its answer must be. */
export interface ContractReading {
  readonly problems: readonly string[];
  /** The path as the contract writes it; undefined when it has no such path. */
  readonly template: string | undefined;
  /** What is wrong with an answer. */
  answerProblems(value: unknown): readonly string[];
}

type Node = Readonly<Record<string, unknown>>;

interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly required: boolean;
  readonly validate: Validator;
}

/** Compiled when it is first needed: a test needs few of them. */
type Validator = () => ValidateFunction;

interface Operation {
  readonly method: string;
  readonly template: string;
  readonly pattern: RegExp;
  readonly parameters: readonly Parameter[];
  readonly body: Validator | undefined;
  /** The fields that a body may have. */
  readonly bodyFields: readonly string[];
  readonly answer: Validator | undefined;
}

const services = ['catalog', 'event'] as const;

let loaded: ((request: ContractRequest) => ContractReading) | undefined;

/** Violet's own description of its API, as a judge of requests and answers. Read once in a process. */
export function loadVioletContract(): (request: ContractRequest) => ContractReading {
  loaded ??= load();
  return loaded;
}

function load(): (request: ContractRequest) => ContractReading {
  const ajv = new Ajv({ strict: false, allErrors: true, coerceTypes: true, validateFormats: true });
  addFormats.default(ajv);
  // Violet writes offsets without a colon.
  ajv.addFormat('date-time', (text: string) => !Number.isNaN(Date.parse(text)) && /T.*(?:Z|[+-]\d{2}:?\d{2})$/.test(text));
  const operations = services.flatMap((service) => operationsOf(ajv, service));
  return (request) => read(operations, request);
}

function operationsOf(ajv: Ajv, service: (typeof services)[number]): Operation[] {
  const contract = readVioletOpenApi(service) as Node;
  const id = `violet-${service}`;
  ajv.addSchema({ $id: id, components: withFreeMaps(contract.components) });
  const compile = (schema: unknown): Validator => {
    let compiled: ValidateFunction | undefined;
    return () => {
      compiled ??= ajv.compile(JSON.parse(JSON.stringify(schema).replaceAll('"#/components/', `"${id}#/components/`)) as object);
      return compiled;
    };
  };
  return Object.entries(contract.paths as Record<string, Record<string, Node>>).flatMap(([template, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      method: method.toUpperCase(),
      template,
      pattern: new RegExp(`^${template.replaceAll(/\{[^}]+\}/g, '([^/]+)')}$`),
      parameters: ((operation.parameters ?? []) as Node[]).map((parameter) => ({
        name: String(parameter.name),
        in: parameter.in as Parameter['in'],
        required: parameter.required === true,
        // Compiled inside an object: only there can a text be taken for the number that it writes.
        validate: compile({ type: 'object', properties: { value: parameter.schema ?? {} } }),
      })),
      body: contentSchema(operation.requestBody, compile),
      bodyFields: fieldsOf(contract, operation.requestBody),
      answer: contentSchema(answerOf(operation.responses as Node | undefined), compile),
    })),
  );
}

/** Maps of anything are written as maps of objects: an event's body would then hold neither numbers nor texts. */
function withFreeMaps(components: unknown): unknown {
  return JSON.parse(
    JSON.stringify(components).replaceAll('"additionalProperties":{"type":"object"}', '"additionalProperties":true'),
  );
}

function answerOf(responses: Node | undefined): unknown {
  return responses?.['200'] ?? responses?.default;
}

type Content = { readonly content?: Readonly<Record<string, { readonly schema?: Node }>> } | undefined;

function fieldsOf(contract: Node, holder: unknown): string[] {
  const schema = (holder as Content)?.content?.['application/json']?.schema;
  const name = (typeof schema?.$ref === 'string' ? schema.$ref : '').replace('#/components/schemas/', '');
  const { schemas } = contract.components as { readonly schemas: Readonly<Record<string, Node>> };
  return Object.keys(schemas[name]?.properties ?? {});
}

function contentSchema(holder: unknown, compile: (schema: unknown) => Validator): Validator | undefined {
  const schema = (holder as Content)?.content?.['application/json']?.schema;
  return schema === undefined ? undefined : compile(schema);
}

function read(operations: readonly Operation[], request: ContractRequest): ContractReading {
  const fitting = operations.filter(({ pattern, method }) => method === request.method && pattern.test(request.path));
  // A path that is written out comes before one that it also fits as an id.
  const [operation] = fitting.sort((a, b) => a.template.split('{').length - b.template.split('{').length);
  if (operation === undefined) {
    return { problems: ['no such method and path in the contract'], template: undefined, answerProblems: () => [] };
  }
  return {
    problems: [...parameterProblems(operation, request), ...bodyProblems(operation, request)],
    template: operation.template,
    answerProblems: (value) => problemsOf(operation.answer, structuredClone(value), 'answer'),
  };
}

function parameterProblems(operation: Operation, { path: written, query, headers }: ContractRequest): string[] {
  const names = [...operation.template.matchAll(/\{([^}]+)\}/g)].map(([, name = '']) => name);
  const inPath = operation.pattern.exec(written)?.slice(1) ?? [];
  const valueOf = ({ name, in: place }: Parameter): string | undefined => {
    if (place === 'path') return decodeURIComponent(inPath[names.indexOf(name)] ?? '');
    if (place === 'query') return query.get(name) ?? undefined;
    const header = headers[name.toLowerCase()];
    return typeof header === 'string' ? header : undefined;
  };
  const unknown = [...new Set(query.keys())].filter(
    (name) => !operation.parameters.some((parameter) => parameter.in === 'query' && parameter.name === name),
  );
  return [
    ...unknown.map((name) => `query ${name}: no such parameter`),
    ...operation.parameters.flatMap((parameter) => {
      const value = valueOf(parameter);
      if (value === undefined) return parameter.required ? [`${parameter.in} ${parameter.name}: missing`] : [];
      return problemsOf(parameter.validate, { value }, `${parameter.in} ${parameter.name}`);
    }),
  ];
}

function bodyProblems(operation: Operation, { body }: ContractRequest): string[] {
  if (operation.body === undefined) return body === undefined ? [] : ['body: none expected'];
  if (body === undefined) return ['body: missing'];
  const unknown = Object.keys(body ?? {}).filter((name) => !operation.bodyFields.includes(name));
  return [...problemsOf(operation.body, structuredClone(body), 'body'), ...unknown.map((name) => `body: no such field ${name}`)];
}

function problemsOf(validator: Validator | undefined, value: unknown, place: string): string[] {
  const validate = validator?.();
  if (validate === undefined || validate(value)) return [];
  return (validate.errors ?? []).map(({ instancePath, message = '' }) => `${place}${instancePath}: ${message}`);
}
