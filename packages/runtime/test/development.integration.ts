import { execFile } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import {
  ConfigurationError,
  developmentSecretsFile,
  readDevelopmentSecrets,
  sourceSecretVariables,
  withDevelopmentSecrets,
} from '../src/index';

let folder: string;
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'syncline-development-'));
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

const envOf = (more: Record<string, string> = {}) => ({ SYNCLINE_DATA_DIR: path.join(folder, 'data'), ...more });

test('with nothing configured, all source secrets and the console token are made and are the same at the next start', () => {
  const first = withDevelopmentSecrets(envOf());
  expect(first.filled).toEqual([...sourceSecretVariables, 'CONSOLE_TOKEN']);
  for (const variable of first.filled) expect(first.env[variable]?.length).toBeGreaterThan(30);
  expect(first.env.STANDARD_WEBHOOKS_SECRET).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
  expect(withDevelopmentSecrets(envOf()).env).toEqual(first.env);
  expect(readDevelopmentSecrets(envOf())).toMatchObject({ CONSOLE_TOKEN: first.env.CONSOLE_TOKEN });
});

test('the file is for its owner only, also when someone opened it up', () => {
  const { file } = withDevelopmentSecrets(envOf());
  expect(fs.statSync(file).mode & 0o777).toBe(0o600);
  fs.chmodSync(file, 0o644);
  withDevelopmentSecrets(envOf());
  expect(fs.statSync(file).mode & 0o777).toBe(0o600);
  expect(fs.readdirSync(path.dirname(file))).toEqual(['development.env']);
});

test('one configured source secret closes the other sources, and the token is still made', () => {
  const { env, filled } = withDevelopmentSecrets(envOf({ PROPEXO_WEBHOOK_SECRET: 'configured' }));
  expect(filled).toEqual(['CONSOLE_TOKEN']);
  expect(env.VIOLET_APP_SECRET).toBeUndefined();
});

test('a configured token is kept, and with everything configured no file is made', () => {
  expect(withDevelopmentSecrets(envOf({ CONSOLE_TOKEN: 'mine' })).env.CONSOLE_TOKEN).toBe('mine');
  fs.rmSync(path.join(folder, 'data'), { recursive: true });
  const configured = envOf({ CONSOLE_TOKEN: 'mine', VIOLET_APP_SECRET: 'configured' });
  expect(withDevelopmentSecrets(configured)).toMatchObject({ env: configured, filled: [] });
  expect(fs.existsSync(developmentSecretsFile(configured))).toBe(false);
});

test('an empty variable counts as not configured', () => {
  expect(withDevelopmentSecrets(envOf({ VIOLET_APP_SECRET: ' ', CONSOLE_TOKEN: '' })).filled).toHaveLength(5);
});

test('in production nothing is made up', () => {
  const env = envOf({ NODE_ENV: 'production' });
  expect(withDevelopmentSecrets(env)).toMatchObject({ env, filled: [] });
  expect(fs.existsSync(developmentSecretsFile(env))).toBe(false);
});

test.each(['', 'garbage\n=\n', 'CONSOLE_TOKEN=\n'])('a file that says %j is completed', (text) => {
  const env = envOf();
  fs.mkdirSync(path.dirname(developmentSecretsFile(env)), { recursive: true });
  fs.writeFileSync(developmentSecretsFile(env), text);
  expect(withDevelopmentSecrets(env).env).toEqual(withDevelopmentSecrets(env).env);
  expect(Object.keys(readDevelopmentSecrets(env))).toHaveLength(5);
});

test('values that a user wrote into the file are kept when others are missing', () => {
  const env = envOf();
  fs.mkdirSync(path.dirname(developmentSecretsFile(env)), { recursive: true });
  fs.writeFileSync(developmentSecretsFile(env), '# mine\nVIOLET_APP_SECRET=chosen\n');
  expect(withDevelopmentSecrets(env).env.VIOLET_APP_SECRET).toBe('chosen');
});

test('processes that start at the same time agree on the secrets', async () => {
  const script = `console.log(JSON.stringify(require(${JSON.stringify(path.join(__dirname, '..'))}).withDevelopmentSecrets(process.env).env.CONSOLE_TOKEN))`;
  const runs = await Promise.all(
    Array.from({ length: 4 }, () =>
      promisify(execFile)(process.execPath, ['-e', script], { env: { PATH: process.env.PATH, ...envOf() } }),
    ),
  );
  expect(new Set(runs.map(({ stdout }) => stdout)).size).toBe(1);
});

test('a data folder that cannot be used is a configuration error that names the way out', () => {
  fs.writeFileSync(path.join(folder, 'file'), '');
  const attempt = () => withDevelopmentSecrets({ SYNCLINE_DATA_DIR: path.join(folder, 'file', 'below') });
  expect(attempt).toThrow(ConfigurationError);
  expect(attempt).toThrow(/SYNCLINE_DATA_DIR: Expected a folder/);
});
