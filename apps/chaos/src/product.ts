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
    const source = path.join(repositoryRoot, 'apps', app, 'dist', 'main.js');
    if (!fs.existsSync(source))
      throw new Error(`Expected the built ${app} at ${source}, got nothing. Build first: npm run build`);
    const target = path.join(folder, 'apps', app, 'dist');
    fs.mkdirSync(target, { recursive: true });
    fs.copyFileSync(source, path.join(target, 'main.js'));
  }
  const packages = path.join(repositoryRoot, 'packages');
  const copies = path.join(folder, 'node_modules', '@syncline');
  // A bundle finds what stays outside of it beside the manifests of our packages.
  for (const name of fs.readdirSync(packages)) {
    fs.mkdirSync(path.join(copies, name), { recursive: true });
    fs.copyFileSync(path.join(packages, name, 'package.json'), path.join(copies, name, 'package.json'));
  }
  fs.cpSync(path.join(packages, 'lanes', 'lua'), path.join(copies, 'lanes', 'lua'), { recursive: true });
  for (const { file, find, replace } of patches) {
    const target = path.join(copies, 'lanes', 'lua', file);
    const parts = fs.readFileSync(target, 'utf8').split(find);
    if (parts.length !== 2) throw new Error(`Expected ${JSON.stringify(find)} once in ${file}, got it ${parts.length - 1} times`);
    fs.writeFileSync(target, parts.join(replace));
  }
}
