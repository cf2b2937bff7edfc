/**
 * How much bases are asked for, counted here and written at most once a second: what the number of runners is decided by. A count
 * that is lost with its process makes the rate a little lower, once.
 */
import type { Database } from '../../db/open.ts';
import { addArrivals } from '../../db/runners.ts';
import { byItself, type Outlive } from '../outlive.ts';

const WRITE_MS = 1_000;

export class Demand {
  private readonly db: Database;
  private readonly log: { error(fields: object, message: string): void };
  private readonly outlive: Outlive;
  private counts = new Map<string, number>();
  private writtenAt = Number.NEGATIVE_INFINITY;

  constructor(db: Database, log: Demand['log'], outlive: Outlive = byItself) {
    this.outlive = outlive;
    this.db = db;
    this.log = log;
  }

  /** The first one after a pause is written at once: nobody may be there to serve it. */
  count(baseId: string, answers: number): void {
    this.counts.set(baseId, (this.counts.get(baseId) ?? 0) + answers);
    if (performance.now() - this.writtenAt < WRITE_MS) return;
    this.writtenAt = performance.now();
    const { counts } = this;
    this.counts = new Map();
    this.outlive(
      addArrivals(this.db, counts).catch((error: unknown) =>
        this.log.error({ error: String(error) }, 'demand could not be counted'),
      ),
    );
  }
}
