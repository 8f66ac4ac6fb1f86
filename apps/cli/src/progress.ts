import { Presets, SingleBar } from 'cli-progress';

/** A stream that people read; `isTTY` when it is a terminal. */
export type Output = NodeJS.WritableStream & { readonly isTTY?: boolean | undefined };

/** Shows how far a step is: a bar on a terminal, a line at every tenth elsewhere. */
export interface Progress {
  start(label: string, total: number): void;
  /** How much is done, from 0 to the total. */
  update(done: number): void;
  /** Prints a line without disturbing the bar. */
  note(line: string): void;
  /** Ends the step; idempotent. */
  stop(): void;
}

export function createProgress(output: Output): Progress {
  return output.isTTY === true ? barProgress(output) : lineProgress(output);
}

function barProgress(output: Output): Progress {
  let bar: SingleBar | undefined;
  return {
    start(label, total) {
      bar?.stop();
      bar = new SingleBar(
        {
          format: `${label.padEnd(9)} {bar} {value}/{total} · {duration_formatted}`,
          stream: output,
          hideCursor: true,
          barsize: 30,
        },
        Presets.shades_classic,
      );
      bar.start(total, 0);
    },
    update: (done) => bar?.update(done),
    note: (line) => output.write(`\r\u001B[K${line}\n`),
    stop() {
      bar?.stop();
      bar = undefined;
    },
  };
}

function lineProgress(output: Output): Progress {
  let label = '';
  let total = 0;
  let shownTenths = 0;
  return {
    start(newLabel, newTotal) {
      label = newLabel;
      total = newTotal;
      shownTenths = 0;
    },
    update(done) {
      const tenths = total === 0 ? 10 : Math.floor((done / total) * 10);
      if (tenths <= shownTenths) return;
      shownTenths = tenths;
      output.write(`${label} ${done}/${total}\n`);
    },
    note: (line) => output.write(`${line}\n`),
    stop: () => {},
  };
}
