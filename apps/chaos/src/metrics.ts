/** Counters of many processes, each of which begins at 0 again with every life. */
export interface Tally {
  /** Takes what one life of a process shows as its metrics now. */
  read(life: string, metrics: string): void;
  /** The sum over all lives of every series of a counter. */
  sum(counter: string): number;
}

export function createTally(): Tally {
  const lives = new Map<string, ReadonlyMap<string, number>>();
  return {
    read(life, metrics) {
      const counters = new Map<string, number>();
      for (const [, name = '', value] of metrics.matchAll(/^(\w+_total)(?:\{.*\})? (\S+)$/gm)) {
        counters.set(name, (counters.get(name) ?? 0) + Number(value));
      }
      lives.set(life, counters);
    },
    sum: (counter) => [...lives.values()].reduce((total, counters) => total + (counters.get(counter) ?? 0), 0),
  };
}
