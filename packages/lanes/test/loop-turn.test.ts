import { nextLoopTurn } from '../src/loop-turn';

/** Computes in pieces of a millisecond. */
async function compute(pieces: number): Promise<void> {
  for (let piece = 0; piece < pieces; piece++) {
    await nextLoopTurn();
    const until = performance.now() + 1;
    while (performance.now() < until);
  }
}

test('the event loop turns while many compute at once', async () => {
  let turns = 0;
  let computing = true;
  const turn = (): void => {
    turns += 1;
    if (computing) setImmediate(turn);
  };
  setImmediate(turn);
  await Promise.all(Array.from({ length: 20 }, () => compute(20)));
  computing = false;
  // 400 ms of work in turns of about 10 ms; without them it would be one turn.
  expect(turns).toBeGreaterThan(20);
});

test('who asks first goes on first, and what fits into one turn is done in one', async () => {
  await compute(15);
  const done: string[] = [];
  await Promise.all(
    ['a', 'b', 'c'].map(async (name) => {
      await compute(2);
      done.push(name);
    }),
  );
  expect(done).toEqual(['a', 'b', 'c']);
});

test('nobody waits where nothing is computed', async () => {
  await new Promise((resolve) => setTimeout(resolve, 20));
  await nextLoopTurn();
  expect(nextLoopTurn()).toBeUndefined();
});
