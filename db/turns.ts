/**
 * Whose turn it is in a queue: of what waits, each owner's first comes before anybody's second, so that who has asked for a thousand
 * things does not keep out who asks for one. Start-time fair queueing (Goyal, Vin, Cheng, SIGCOMM 1996), where all work is of one size.
 */
import { type SQL, sql } from 'drizzle-orm';
import type { PgTable } from 'drizzle-orm/pg-core';

export interface Queued {
  readonly table: PgTable;
  /** What of the table is in the queue, or is worked on. */
  readonly open: SQL;
  readonly waiting: SQL;
  /** What of it is the owner's who asks. */
  readonly own: SQL;
}

/**
 * Behind the last one of its owner, and not before those whose turn it is. Two that ask at once may be given the same one: then who
 * asked first comes first.
 */
export const nextTurn = ({ table, open, waiting, own }: Queued): SQL<number> => sql<number>`(
  select greatest(
    coalesce(min(turn) filter (where ${waiting}), max(turn), 0),
    max(turn) filter (where ${own}) + 1
  ) from ${table} where ${open})`;
