// npm start: sets up what is missing, then runs Redis, ingress, worker and console in this process's care until Ctrl-C.
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { stopWithParent } from './parent-gone.mjs';
import { root, setUp } from './setup.mjs';

stopWithParent();
await setUp();
await import(pathToFileURL(path.join(root, 'apps', 'local', 'dist', 'main.js')).href);
