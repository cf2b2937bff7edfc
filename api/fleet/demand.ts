/**
 * How much bases are asked for, counted here and written at most once a second: what the number of runners is decided by. A count
 * that is lost with its process makes the rate a little lower, once. What all processes have written comes back with it, and tells
 * which part of all requests this one has.
 */
import type { Database } from '../../db/open.ts';
import { addArrivals } from '../../db/runners.ts';
import { byItself, type Outlive } from '../outlive.ts';

const WRITE_MS = 1_000;
/** How much of what was seen still counts at the next writing: some ten of them matter. */
const MEMORY = 0.9;
/** A process that asks now and then does not fill a runner in its own eyes by one request. */
const LARGEST_CROWD = 32;

export class Demand {
  private readonly db: Database;
  private readonly log: { error(fields: object, message: string): void };
  private readonly outlive: Outlive;
  private readonly clock: () => number;
  private counts = new Map<string, number>();
  private writtenAt = Number.NEGATIVE_INFINITY;
  /** By base, what all processes had written when this one wrote last. */
  private readonly totals = new Map<string, number>();
  /** Answers lately asked for: here, and everywhere. */
  private own = 0;
  private all = 0;

  constructor(
    db: Database,
    log: Demand['log'],
    outlive: Outlive = byItself,
    clock: () => number = () => performance.now(),
  ) {
    this.outlive = outlive;
    this.db = db;
    this.log = log;
    this.clock = clock;
  }

  /** For one answer that is asked for here, how many are everywhere: 1 where this process is alone. */
  get crowd(): number {
    return this.own === 0 ? 1 : Math.min(LARGEST_CROWD, Math.max(1, this.all / this.own));
  }

  /** The first one after a pause is written at once: nobody may be there to serve it. */
  count(baseId: string, answers: number): void {
    this.counts.set(baseId, (this.counts.get(baseId) ?? 0) + answers);
    if (this.clock() - this.writtenAt < WRITE_MS) return;
    this.writtenAt = this.clock();
    const { counts } = this;
    this.counts = new Map();
    this.outlive(
      this.write(counts).catch((error: unknown) =>
        this.log.error({ error: String(error) }, 'demand could not be counted'),
      ),
    );
  }

  private async write(counts: ReadonlyMap<string, number>): Promise<void> {
    const totals = await addArrivals(this.db, counts);
    [this.own, this.all] = [MEMORY * this.own, MEMORY * this.all];
    for (const [baseId, total] of totals) {
      const before = this.totals.get(baseId);
      this.totals.set(baseId, total);
      if (before === undefined) continue;
      this.own += counts.get(baseId)!;
      this.all += total - before;
    }
  }
}
