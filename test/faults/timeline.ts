/** What happened when, for whoever reads a failure. */

export interface Entry {
  /** Since the beginning. */
  readonly ms: number;
  readonly who: string;
  readonly what: string;
}

export class Timeline {
  private entries: Entry[] = [];
  private began = performance.now();

  get ms(): number {
    return performance.now() - this.began;
  }

  /** What happens from here on is another story. */
  restart(): void {
    this.entries = [];
    this.began = performance.now();
  }

  /** What somebody says again and again is noted once. */
  note(who: string, what: string): void {
    if (this.entries.findLast((entry) => entry.who === who)?.what === what) return;
    this.entries.push({ ms: this.ms, who, what });
  }

  toString(): string {
    return this.entries
      .map(({ ms, who, what }) => `${(ms / 1000).toFixed(3).padStart(8)} s  ${who.padEnd(14)} ${what}`)
      .join('\n');
  }
}
