import fs from 'node:fs';
import path from 'node:path';
import { runCommand } from './command';
import { programEnvironment, type RedisProgram } from './find-redis';

/** What the check of an append-only file found. `cutOffBytes` were unreadable; they are kept in `keptIn`. */
export type AofCheck =
  | { readonly status: 'absent' | 'intact' }
  | { readonly status: 'repaired'; readonly file: string; readonly cutOffBytes: number; readonly keptIn: string };

/** The append-only file cannot be made readable by cutting its end off. */
export class AofError extends Error {
  override readonly name = 'AofError';
  readonly code = 'AOF_UNREADABLE';
}

/**
 * Checks the append-only file in a Redis data folder and cuts off what cannot be read at its end, keeping a copy of it beside the file.
 * Must run before every start: Redis 7.0 itself repairs a tail torn inside a script so that the start after next applies half of the script.
 * Throws an AofError when the damage is elsewhere. No server may be running on the folder.
 */
export async function checkAof(program: RedisProgram, directory: string): Promise<AofCheck> {
  const target = aofTarget(directory);
  if (target === undefined) return { status: 'absent' };
  const check = await runChecker(program, [target]);
  if (check.status === 0) return { status: 'intact' };
  const damage = damageIn(check.output, target);
  // The checker takes a manifest that it does not understand for data: cutting that off would lose everything.
  const manifestItself = damage?.file === target && target.endsWith('.manifest');
  if (damage === undefined || manifestItself) throw unreadable(target, check.output);

  const keptIn = keepTail(damage.file, damage.readableBytes);
  const fix = await runChecker(program, ['--fix', target]);
  if (fix.status !== 0 || (await runChecker(program, [target])).status !== 0) throw unreadable(target, fix.output);
  return { status: 'repaired', file: damage.file, cutOffBytes: damage.cutOffBytes, keptIn };
}

/** The manifest since Redis 7, a single file before. */
function aofTarget(directory: string): string | undefined {
  const candidates = [path.join(directory, 'appendonlydir', 'appendonly.aof.manifest'), path.join(directory, 'appendonly.aof')];
  return candidates.find((file) => fs.existsSync(file) && fs.statSync(file).size > 0);
}

/** Every server program is its own checker when called by the checker's name, so none has to be found. */
function runChecker(program: RedisProgram, args: readonly string[]) {
  const checker = program.name.replace('server', 'check-aof');
  return runCommand(program.binary, args, { argv0: checker, env: programEnvironment(program), input: 'y\n' });
}

function damageIn(output: string, target: string): { file: string; readableBytes: number; cutOffBytes: number } | undefined {
  for (const [, name, size, readable] of output.matchAll(/AOF analyzed: (?:filename=(.+?), )?size=(\d+), ok_up_to=(\d+)/g)) {
    const cutOffBytes = Number(size) - Number(readable);
    if (cutOffBytes > 0)
      return {
        file: name === undefined ? target : path.resolve(path.dirname(target), name),
        readableBytes: Number(readable),
        cutOffBytes,
      };
  }
  return undefined;
}

/** Copies what is about to be cut off to a new file outside the folder that Redis manages. */
function keepTail(file: string, fromByte: number): string {
  const folder = path.join(path.dirname(file), path.basename(path.dirname(file)) === 'appendonlydir' ? '..' : '.', 'cut-off');
  fs.mkdirSync(folder, { recursive: true });
  const keptIn = path.join(folder, `${path.basename(file)}.from-${fromByte}.${Date.now()}`);
  const source = fs.openSync(file, 'r');
  const copy = fs.openSync(keptIn, 'wx');
  try {
    const chunk = Buffer.alloc(1024 * 1024);
    for (
      let at = fromByte, read = fs.readSync(source, chunk, 0, chunk.length, at);
      read > 0;
      read = fs.readSync(source, chunk, 0, chunk.length, at)
    ) {
      fs.writeSync(copy, chunk, 0, read);
      at += read;
    }
    fs.fsyncSync(copy);
  } finally {
    fs.closeSync(source);
    fs.closeSync(copy);
  }
  return keptIn;
}

function unreadable(target: string, output: string): AofError {
  const detail = output.trim().split('\n').slice(-3).join(' ');
  return new AofError(
    `Expected a readable append-only file, got damage in ${target} that cutting off its end does not mend: ${detail}. Restore the folder from a copy, or move it aside to start empty.`,
  );
}
