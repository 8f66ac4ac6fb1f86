// npm run chaos: sets up what is missing, then breaks a running product on purpose and checks that nothing was lost, reordered or repeated.
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { stopWithParent } from './parent-gone.mjs';
import { root, setUp } from './setup.mjs';

stopWithParent();
await setUp();
await import(pathToFileURL(path.join(root, 'apps', 'chaos', 'dist', 'main.js')).href);
