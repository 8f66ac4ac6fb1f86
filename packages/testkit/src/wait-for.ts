export interface WaitForSettings {
  /** Only guards against waiting for ever: 60,000 ms by default, which a machine under load does not reach. */
  readonly timeoutMs?: number;
  /** What is waited for: the message of the failure. */
  readonly message?: string;
  /** Pause between two looks; 20 ms by default. */
  readonly intervalMs?: number;
}

/**
 * Looks until the condition gives something truthy, and resolves with it. A condition that throws counts as not yet met.
 * Rejects when the time is over, with the condition's last error as cause.
 */
export async function waitFor<T>(
  condition: () => T | Promise<T>,
  settings: WaitForSettings = {},
): Promise<Exclude<T, false | 0 | '' | null | undefined>> {
  const { timeoutMs = 60_000, message = 'the condition to be met', intervalMs = 20 } = settings;
  const deadline = performance.now() + timeoutMs;
  let cause: unknown;
  for (;;) {
    try {
      cause = undefined;
      const value = await condition();
      if (value) return value as Exclude<T, false | 0 | '' | null | undefined>;
    } catch (error) {
      cause = error;
    }
    if (performance.now() >= deadline) throw new Error(`Waited ${timeoutMs} ms in vain for ${message}`, { cause });
    await new Promise((resolve) => {
      setTimeout(resolve, intervalMs);
    });
  }
}
