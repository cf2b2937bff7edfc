/**
 * Who waits, taking turns by tenant: the virtual token counter of Sheng et al. 2024 (Fairness in Serving Large Language Models,
 * arXiv 2401.00588). Each tenant has a counter of what it was given. The next one served is that of the waiting tenant with the
 * lowest counter; a tenant that comes back after a pause starts at the lowest of those that wait, or where the last one was that
 * waited, so that nobody saves up turns.
 * Between two tenants that both always wait, the difference stays below what the largest batch can be charged.
 */

interface Waiter {
  readonly tenant: string;
}

export class FairQueue<T extends Waiter> {
  /** Comes before everybody: what was interrupted. */
  private first: T[] = [];
  /** Those of one tenant, in the order they came; no empty list. */
  private readonly queues = new Map<string, T[]>();
  /** What waiting tenants, and those that are being served, were given. */
  private readonly counters = new Map<string, number>();
  /** The tenant that was served last. */
  private last = '';
  private size = 0;

  get length(): number {
    return this.size;
  }

  lengthOf(tenant: string): number {
    return this.queues.get(tenant)?.length ?? 0;
  }

  /** All, as they would be served if nothing was charged: the first one is to be served next. */
  *inOrder(): Generator<T, undefined> {
    yield* this.first;
    const tenants = [...this.queues.keys()].sort((a, b) => this.given(a) - this.given(b));
    for (const tenant of tenants) yield* this.queues.get(tenant)!;
  }

  push(waiter: T): void {
    const { tenant } = waiter;
    const queue = this.queues.get(tenant);
    if (queue) queue.push(waiter);
    else {
      this.counters.set(tenant, Math.max(this.given(tenant), this.floor));
      this.queues.set(tenant, [waiter]);
    }
    this.size++;
  }

  private given(tenant: string): number {
    return this.counters.get(tenant) ?? 0;
  }

  private get floor(): number {
    if (this.queues.size === 0) return this.given(this.last);
    return [...this.queues.keys()].reduce(
      (least, tenant) => Math.min(least, this.given(tenant)),
      Number.POSITIVE_INFINITY,
    );
  }

  pushFirst(waiter: T): void {
    this.first.unshift(waiter);
    this.size++;
  }

  /** Removes one that is to be served. */
  take(waiter: T): void {
    if (this.first.includes(waiter)) this.first = this.first.filter((one) => one !== waiter);
    else {
      const queue = this.queues.get(waiter.tenant)!;
      queue.splice(queue.indexOf(waiter), 1);
      if (queue.length === 0) this.queues.delete(waiter.tenant);
      this.last = waiter.tenant;
    }
    this.size--;
  }

  charge(tenant: string, tokens: number): void {
    this.counters.set(tenant, this.given(tenant) + tokens);
  }

  /** @returns whether there were any */
  drop(isOver: (waiter: T) => boolean): boolean {
    const before = this.size;
    this.first = this.first.filter((waiter) => !isOver(waiter));
    this.size = this.first.length;
    for (const [tenant, queue] of this.queues) {
      const left = queue.filter((waiter) => !isOver(waiter));
      if (left.length > 0) this.queues.set(tenant, left);
      else this.queues.delete(tenant);
      this.size += left.length;
    }
    return this.size < before;
  }

  /** Nobody waits and nobody is served: all are equal again. */
  reset(): void {
    this.counters.clear();
  }
}
