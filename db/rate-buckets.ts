/**
 * Token buckets that all API processes share. A bucket is one time, that at which it is full again (the generic cell rate
 * algorithm, ITU-T I.371): to draw moves it on, and waiting is all that fills the bucket.
 */
import { lte, type SQL, sql } from 'drizzle-orm';
import type { Database } from './open.ts';
import { rateBuckets } from './schema.ts';

export interface BucketSize {
  /** Tokens of a full bucket. */
  readonly capacity: number;
  /** Seconds in which an empty one fills. */
  readonly window: number;
}

export interface Drawn {
  /** At most as many as were asked for; 0: the bucket is empty. */
  readonly granted: number;
  /** Seconds until the bucket is full. */
  readonly lack: number;
}

/** Tokens are fractions of a second; times have whole microseconds. */
const ROUNDING = 0.001;
const seconds = (amount: SQL) => sql`make_interval(secs => ${amount})`;

/** One statement: draws at the same time wait for each other, and together get no more than there is. @param wanted at most the capacity */
export async function drawTokens(
  db: Database,
  bucket: string,
  who: string,
  { capacity, window }: BucketSize,
  wanted: number,
): Promise<Drawn> {
  const perToken = sql`${window / capacity}::double precision`;
  const from = sql`greatest(${rateBuckets.fullAt}, now())`;
  const room = sql`${window}::double precision - extract(epoch from ${from} - now())`;
  const granted = sql`greatest(0, least(${wanted}::integer, floor((${room}) / ${perToken} + ${ROUNDING}::double precision)))::integer`;
  const [drawn] = await db
    .insert(rateBuckets)
    .values({
      bucket,
      who,
      granted: wanted,
      fullAt: sql`now() + ${seconds(sql`${wanted}::integer * ${perToken}`)}`,
    })
    .onConflictDoUpdate({
      target: [rateBuckets.bucket, rateBuckets.who],
      set: { granted, fullAt: sql`${from} + ${seconds(sql`${granted} * ${perToken}`)}` },
    })
    .returning({
      granted: rateBuckets.granted,
      lack: sql<number>`extract(epoch from ${rateBuckets.fullAt} - now())::double precision`,
    });
  return drawn!;
}

/** Full ones need no row. @returns how many there were */
export async function forgetFullBuckets(db: Database): Promise<number> {
  const full = await db
    .delete(rateBuckets)
    .where(lte(rateBuckets.fullAt, sql`now()`))
    .returning({ who: rateBuckets.who });
  return full.length;
}
