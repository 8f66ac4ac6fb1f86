import fs from 'node:fs';
import path from 'node:path';

const LOG_MAX_BYTES = 5 * 1024 * 1024;

/** Appends lines to a file. The file before the current one is kept as `<file>.1`, so that the two never exceed twice `maxBytes`. */
export function createLogFile(file: string, maxBytes = LOG_MAX_BYTES): { write(line: string): void } {
  fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
  let size = fs.existsSync(file) ? fs.statSync(file).size : 0;
  return {
    write: (line) => {
      const bytes = Buffer.from(`${line}\n`);
      if (size > 0 && size + bytes.length > maxBytes) {
        fs.renameSync(file, `${file}.1`);
        size = 0;
      }
      fs.appendFileSync(file, bytes.subarray(0, maxBytes));
      size += bytes.length;
    },
  };
}
