import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { repositoryRoot } from '@syncline/runtime';
import { parse } from 'yaml';

export type VioletService = 'catalog' | 'event' | 'merchant' | 'operations';

const folder = path.join(repositoryRoot, 'packages', 'testkit', 'violet-openapi');
const cache = path.join(repositoryRoot, '.cache', 'violet-openapi');

/** Violet's own description of one of its services, as it published it. Parsing one takes seconds: what came of it is kept in the clone. */
export function readVioletOpenApi(service: VioletService): unknown {
  const text = fs.readFileSync(path.join(folder, `${service}-service.yaml`), 'utf8');
  const kept = path.join(cache, `${createHash('sha256').update(text).digest('hex')}.json`);
  if (fs.existsSync(kept)) return JSON.parse(fs.readFileSync(kept, 'utf8')) as unknown;
  const document: unknown = parse(text);
  const draft = `${kept}.${process.pid}`;
  fs.mkdirSync(cache, { recursive: true });
  fs.writeFileSync(draft, JSON.stringify(document));
  fs.renameSync(draft, kept);
  return document;
}
