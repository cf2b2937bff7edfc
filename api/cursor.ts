/** Where a page of the catalog ends, as text that clients hand back unchanged. */
import { z } from 'zod';
import { type CatalogCursor, SORTS, type Sort } from '../db/catalog.ts';
import { ApiError } from './errors.ts';

const Cursor = z.object({
  sort: z.enum(SORTS),
  tier: z.union([z.literal(0), z.literal(1)]),
  key: z.number().nullable(),
  createdAt: z.iso.datetime(),
  id: z
    .string()
    .max(200)
    .regex(/^[^\0]*$/),
});

export function encodeCursor(cursor: CatalogCursor): string {
  return btoa(JSON.stringify(cursor)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

/** @param sort of the page that is asked for. @throws ApiError invalid_request */
export function decodeCursor(text: string, sort: Sort): CatalogCursor {
  try {
    const cursor = Cursor.parse(JSON.parse(atob(text.replaceAll('-', '+').replaceAll('_', '/'))));
    if (cursor.sort !== sort || (cursor.key === null) !== (sort === 'newest'))
      throw new Error('another order');
    return cursor;
  } catch {
    throw new ApiError(
      'invalid_request',
      'cursor: use `next` of the page before, unchanged, with the same `sort`.',
      {
        field: 'cursor',
      },
    );
  }
}
