/** Lists as OpenAI's clients page through them: `after` is the last id of the page before. */
import { z } from 'zod';

const MAX_LIMIT = 100;

/** @param maxLimit OpenAI's, unless what is listed is small and there is much of it */
export const pageQuery = (defaultLimit: number, maxLimit = MAX_LIMIT) => ({
  after: z.string().min(1).max(128).optional(),
  limit: z.coerce
    .number('must be a number')
    .int('must be a whole number')
    .min(1, 'must be at least 1')
    .max(maxLimit, `must be at most ${maxLimit}`)
    .default(defaultLimit),
});

/** @param found up to one more than `limit`, which says that there is another page */
export function listOf<T, V extends { readonly id: string }>(
  found: readonly T[],
  limit: number,
  view: (one: T) => V,
) {
  const data = found.slice(0, limit).map(view);
  return {
    object: 'list',
    data,
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
    has_more: found.length > limit,
  };
}

export const seconds = (time: Date): number => Math.floor(time.getTime() / 1000);
