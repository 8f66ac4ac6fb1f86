// npm run simulate -- <scenario> [flags]: sets up what is missing, then sends a merchant's events to the running ingress.
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { stopWithParent } from './parent-gone.mjs';
import { root, setUp } from './setup.mjs';

stopWithParent();
await setUp();
const main = path.join(root, 'apps', 'cli', 'dist', 'main.js');
process.argv = [process.execPath, main, 'simulate', ...process.argv.slice(2)];
await import(pathToFileURL(main).href);
