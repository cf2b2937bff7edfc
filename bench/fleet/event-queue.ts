/** What happens next: a binary heap by time; of two at the same time, the one that was put in first. */

interface Entry<T> {
  readonly at: number;
  readonly order: number;
  readonly what: T;
}

const isBefore = <T>(a: Entry<T>, b: Entry<T>): boolean =>
  a.at < b.at || (a.at === b.at && a.order < b.order);

export class EventQueue<T> {
  private readonly heap: Entry<T>[] = [];
  private count = 0;

  put(at: number, what: T): void {
    const { heap } = this;
    const entry = { at, order: this.count++, what };
    let i = heap.length;
    for (; i > 0; i = (i - 1) >> 1) {
      const parent = heap[(i - 1) >> 1]!;
      if (isBefore(parent, entry)) break;
      heap[i] = parent;
    }
    heap[i] = entry;
  }

  take(): { readonly at: number; readonly what: T } | undefined {
    const { heap } = this;
    const first = heap[0];
    const last = heap.pop();
    if (!first || !last || first === last) return first;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (isBefore(last, heap[child]!)) break;
      heap[i] = heap[child]!;
      i = child;
    }
    heap[i] = last;
    return first;
  }
}
