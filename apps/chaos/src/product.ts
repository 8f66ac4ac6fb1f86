import fs from 'node:fs';
import path from 'node:path';
import { repositoryRoot } from '@syncline/runtime';
import type { Patch } from './injections';

/**
 * Copies what the built ingress and worker need into a folder, so that a run is about one build from beginning to end, and changes
 * the copy's Lua by the patches. Throws when an app is not built, or a patch does not fit exactly one place.
 */
export function copyProduct(folder: string, patches: readonly Patch[]): void {
  for (const app of ['ingress', 'worker']) {
    const source = path.join(repositoryRoot, 'apps', app, 'dist');
    if (!fs.existsSync(path.join(source, 'bundle.js')))
      throw new Error(`Expected the built ${app} in ${source}, got nothing. Build first: npm run build`);
    const target = path.join(folder, 'apps', app, 'dist');
    // What an earlier start of the source has compiled is not a part of the product.
    fs.cpSync(source, target, { recursive: true, filter: (file) => path.basename(file) !== 'compiled' });
    for (const patch of patches) apply(patch, path.join(target, 'lua'));
  }
}

function apply({ file, find, replace }: Patch, steps: string): void {
  const target = path.join(steps, file);
  const parts = fs.readFileSync(target, 'utf8').split(find);
  if (parts.length !== 2) throw new Error(`Expected ${JSON.stringify(find)} once in ${file}, got it ${parts.length - 1} times`);
  fs.writeFileSync(target, parts.join(replace));
}
