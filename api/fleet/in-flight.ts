/**
 * What this process has sent to each runner: between two reports of a runner, its load is what it said, and what has begun and
 * ended here since. Other processes' requests come in with the next report; until then it is supposed that others do as this one
 * does. Else all of them would take the same runner for the one with least to do, and fill it before it can say so.
 */

interface Sent {
  readonly answers: number;
  readonly begun: number;
  ended: number | undefined;
}

export class InFlight {
  private readonly sent = new Map<string, Set<Sent>>();
  private readonly clock: () => number;

  /** @param clock milliseconds that only go forward */
  constructor(clock: () => number) {
    this.clock = clock;
  }

  /** @returns says that they are over; more than once is as good as once */
  begin(url: string, answers: number): () => void {
    const entry: Sent = { answers, begun: this.clock(), ended: undefined };
    const all = this.sent.get(url) ?? new Set();
    this.sent.set(url, all.add(entry));
    return () => {
      entry.ended ??= this.clock();
    };
  }

  /**
   * Answers at a runner that has said at `heardAt` that it had `reported`.
   * @param crowd how many all processes ask for, for one that is asked for here
   * @returns what this process knows of, and that with what others are supposed to have sent
   */
  loads(
    url: string,
    reported: number,
    heardAt: number,
    crowd: number,
  ): { readonly known: number; readonly load: number } {
    const all = this.sent.get(url);
    let [own, since, fresh] = [0, 0, 0];
    for (const entry of all ?? []) {
      const { answers, begun, ended } = entry;
      if (ended !== undefined && ended <= heardAt)
        all!.delete(entry); // the report knows of it
      else if (ended === undefined) {
        own += answers;
        if (begun > heardAt) fresh += answers;
      } else if (begun <= heardAt) since -= answers;
    }
    const known = Math.max(own, reported + since + fresh);
    return { known, load: known + (crowd - 1) * fresh };
  }
}
