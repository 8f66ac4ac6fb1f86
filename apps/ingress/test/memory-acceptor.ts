import type { AcceptRequest, Acceptor, AcceptResult } from '@syncline/lanes';

/** An acceptor that keeps events in memory, and answers or waits as a test tells it. */
export class MemoryAcceptor implements Pick<Acceptor, 'accept'> {
  readonly kept: AcceptRequest[] = [];
  /** What `accept` answers instead of keeping the event. */
  answer: AcceptResult | Error | undefined;
  /** While set, `accept` waits for it. */
  gate: Promise<void> | undefined;
  calls = 0;

  readonly #known = new Set<string>();

  async accept(request: AcceptRequest): Promise<AcceptResult> {
    this.calls += 1;
    await this.gate;
    if (this.answer instanceof Error) throw this.answer;
    if (this.answer !== undefined) return this.answer;
    const ids = [request.event.eventId, ...request.aliases].map((id) => `${request.event.source}:${id}`);
    if (ids.some((id) => this.#known.has(id))) return { status: 'duplicate' };
    for (const id of ids) this.#known.add(id);
    this.kept.push(request);
    return { status: 'accepted' };
  }
}
