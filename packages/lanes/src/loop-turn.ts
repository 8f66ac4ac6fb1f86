/** So long may one turn of the event loop take, and the piece of work that is under way then. */
const LOOP_TURN_MAX_MS = 10;

let begun = false;
let begunAt = 0;

/**
 * Undefined while this turn of the event loop is young, else resolves in a later one that is. Whoever computes much asks for it between
 * two pieces of work: leases, timers and answers of the whole process wait for the loop. Who asked first goes on first, to its end if
 * it can: what is half done helps nobody.
 */
export function nextLoopTurn(): Promise<void> | undefined {
  return performance.now() - begunAt < LOOP_TURN_MAX_MS ? undefined : new Promise(goOn);
}

function goOn(resolve: () => void): void {
  setImmediate(() => {
    if (!begun) {
      begun = true;
      begunAt = performance.now();
      // Runs first in the next turn.
      setImmediate(() => {
        begun = false;
      });
    }
    if (performance.now() - begunAt < LOOP_TURN_MAX_MS) resolve();
    else goOn(resolve);
  });
}
