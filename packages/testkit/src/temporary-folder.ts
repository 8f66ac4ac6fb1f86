import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { isAlive } from '@syncline/runtime';

const PREFIX = 'syncline-test-';

/** A new empty folder of this process. Folders of test processes that are gone are removed on the way. */
export function temporaryFolder(): string {
  for (const name of fs.readdirSync(os.tmpdir())) {
    const pid = Number(new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1]);
    if (pid > 0 && !isAlive(pid)) fs.rmSync(path.join(os.tmpdir(), name), { recursive: true, force: true });
  }
  return fs.mkdtempSync(path.join(os.tmpdir(), `${PREFIX}${process.pid}-`));
}
