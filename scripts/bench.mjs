// npm run bench: sets up what is missing, then measures the product beside its alternatives, all in one run.
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { stopWithParent } from './parent-gone.mjs';
import { root, setUp } from './setup.mjs';

stopWithParent();
await setUp();
await import(pathToFileURL(path.join(root, 'apps', 'bench', 'dist', 'main.js')).href);
