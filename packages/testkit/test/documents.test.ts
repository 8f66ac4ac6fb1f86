import fs from 'node:fs';
import path from 'node:path';
import { repositoryRoot } from '@syncline/runtime';

const read = (file: string): string => fs.readFileSync(path.join(repositoryRoot, file), 'utf8');

function filesUnder(folder: string, suffix: string): string[] {
  return fs
    .readdirSync(path.join(repositoryRoot, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(suffix) && !/(^|\/)(node_modules|dist)\//.test(name))
    .map((name) => path.join(folder, name));
}

const documents = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', ...filesUnder('docs', '.md')];

describe('docs/configuration.md', () => {
  interface Field {
    safeParse(value: unknown): { success: boolean; data?: unknown };
  }

  /** Of a table's rows: the variable in the first column, the text of the second. */
  const rows = new Map(
    [...read('docs/configuration.md').matchAll(/^\| `([A-Z_]+)` \| (.*?) \|/gm)].map(([, variable = '', text = '']) => [
      variable,
      text,
    ]),
  );

  /** The variables of an app's schema. Loaded by path: nothing may import an app. */
  function fieldsOf(app: string): [string, Field][] {
    const module = require(path.join(repositoryRoot, 'apps', app, 'src', 'config')) as Record<string, unknown>;
    const schema = module[`${app}Config`] as { readonly shape: Readonly<Record<string, Field>> };
    return Object.entries(schema.shape);
  }

  /** How the table writes a field's default. */
  function wordingOf(field: Field): RegExp {
    const { success, data } = field.safeParse(undefined);
    if (!success) return /^required$/;
    if (typeof data === 'number') return new RegExp(`^${data}( |$)`);
    if (typeof data === 'string') return new RegExp(`\`${data.replaceAll('/', '\\/')}\`$`);
    // What a word became, FAILURE_POLICY's for one, does not tell the word.
    return typeof data === 'function' ? /^`.+`$/ : /^–$/;
  }

  const variables = ['ingress', 'worker', 'console'].flatMap((app) =>
    fieldsOf(app).map(([variable, field]) => [app, variable, field] as const),
  );

  it.each(variables)('names the default of the %s variable %s as its schema has it', (_app, variable, field) => {
    expect(rows.get(variable)).toMatch(wordingOf(field));
  });

  it('names no variable that no process reads', () => {
    const known = new Set<string>([...variables.map(([, variable]) => variable), 'SYNCLINE_DATA_DIR']);
    expect([...rows.keys()].filter((variable) => !known.has(variable))).toEqual([]);
  });
});

describe('docs/operations.md', () => {
  const registered = new Set(
    [...filesUnder('apps', '.ts'), ...filesUnder('packages', '.ts')]
      .filter((file) => file.includes('/src/'))
      .flatMap((file) => [...read(file).matchAll(/'(syncline_[a-z_]+)'/g)].map(([, name = '']) => name)),
  );
  const tabled = new Set([...read('docs/operations.md').matchAll(/^\| `(syncline_[a-z_]+)/gm)].map(([, name = '']) => name));

  it('tells of every metric that a process registers', () => {
    expect([...registered].filter((name) => !tabled.has(name))).toEqual([]);
  });

  it('tells of no metric that does not exist', () => {
    expect(registered.size).toBeGreaterThan(0);
    expect([...tabled].filter((name) => !registered.has(name))).toEqual([]);
  });

  it('tells of every alert, and the alerts are on metrics that exist', () => {
    const rules = read('deploy/alerts.yml');
    const alerts = [...rules.matchAll(/alert: (\w+)/g)].map(([, name = '']) => name);
    const described = [...read('docs/operations.md').matchAll(/^\| `(Syncline\w+)` \|/gm)].map(([, name = '']) => name);
    expect(described.sort()).toEqual(alerts.sort());
    const used = [...rules.matchAll(/syncline_[a-z_]+/g)].map(([name]) => name.replace(/_(bucket|sum|count)$/, ''));
    expect(used.filter((name) => !registered.has(name))).toEqual([]);
  });
});

describe('the documents', () => {
  /** The anchor that a heading gets. */
  const anchorOf = (heading: string): string =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .trim()
      .replaceAll(' ', '-');

  it.each(documents)('%s links only to files and headings that exist', (file) => {
    const broken = [...read(file).matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)/g)].flatMap(([link, target = '', anchor]) => {
      const name = target === '' ? file : path.join(path.dirname(file), target);
      if (!fs.existsSync(path.join(repositoryRoot, name))) return [link];
      if (anchor === undefined) return [];
      const anchors = [...read(name).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => anchorOf(heading));
      return anchors.includes(anchor) ? [] : [link];
    });
    expect(broken).toEqual([]);
  });
});
