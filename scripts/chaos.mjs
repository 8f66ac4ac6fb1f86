// npm run chaos: sets up what is missing, then breaks a running product on purpose and checks that nothing was lost, reordered or repeated.
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { root, setUp } from './setup.mjs';

await setUp();
await import(pathToFileURL(path.join(root, 'apps', 'chaos', 'dist', 'main.js')).href);
