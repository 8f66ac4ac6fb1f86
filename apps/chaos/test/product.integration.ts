import fs from 'node:fs';
import path from 'node:path';
import { repositoryRoot } from '@syncline/runtime';
import { temporaryFolder } from '@syncline/testkit';
import { injectionNames, injections } from '../src/injections';
import { copyProduct } from '../src/product';

const lua = (folder: string, file: string): string =>
  fs.readFileSync(path.join(folder, 'apps', 'worker', 'dist', 'lua', file), 'utf8');
const original = (file: string): string => fs.readFileSync(path.join(repositoryRoot, 'packages', 'lanes', 'lua', file), 'utf8');

test('a copy without a defect has the Lua of the product, and leaves the product alone', () => {
  const folder = temporaryFolder();
  const before = original('commit.lua');
  copyProduct(folder, []);
  expect(lua(folder, 'commit.lua')).toBe(before);
  copyProduct(folder, injections['no-fence'].patches);
  expect(original('commit.lua')).toBe(before);
});

test.each(injectionNames)('the defect %s fits the Lua as it is, and changes nothing but its files', (name) => {
  const folder = temporaryFolder();
  const { patches } = injections[name];
  copyProduct(folder, patches);
  const changed = fs
    .readdirSync(path.join(repositoryRoot, 'packages', 'lanes', 'lua'))
    .filter((file) => lua(folder, file) !== original(file));
  expect(changed.sort()).toEqual([...new Set(patches.map(({ file }) => file))].sort());
});

test('a defect that does not fit exactly one place is refused', () => {
  const patch = { file: 'commit.lua', find: 'redis.call', replace: '' };
  expect(() => copyProduct(temporaryFolder(), [patch])).toThrow(/^Expected "redis.call" once in commit.lua, got it \d+ times$/);
  expect(() => copyProduct(temporaryFolder(), [{ ...patch, find: 'a line of no step' }])).toThrow('got it 0 times');
});
