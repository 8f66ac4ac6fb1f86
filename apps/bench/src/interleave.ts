/** One of several things measured side by side. */
export interface Variant<Measured> {
  readonly name: string;
  readonly measure: () => Promise<Measured>;
  /** The measurement in a few words, for the progress line. */
  readonly tell: (measured: Measured) => string;
}

/** Measures A B C, A B C, …: what slows the machine for a while slows all of them. Resolves with the measurements by name, in order. */
export async function interleave<Measured>(
  variants: readonly Variant<Measured>[],
  repetitions: number,
  say: (line: string) => void,
): Promise<ReadonlyMap<string, readonly Measured[]>> {
  const measured = new Map<string, Measured[]>(variants.map(({ name }) => [name, []]));
  for (let repetition = 1; repetition <= repetitions; repetition++) {
    for (const { name, measure, tell } of variants) {
      const one = await measure();
      measured.get(name)?.push(one);
      say(`${name}, ${repetition} of ${repetitions}: ${tell(one)}`);
    }
  }
  return measured;
}

/** The measurements of a variant. Throws a RangeError when there is none of that name. */
export function measuredOf<Measured>(measured: ReadonlyMap<string, readonly Measured[]>, name: string): readonly Measured[] {
  const found = measured.get(name);
  if (found === undefined) throw new RangeError(`Expected one of ${[...measured.keys()].join(', ')}, got ${name}`);
  return found;
}
