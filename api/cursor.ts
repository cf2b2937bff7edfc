/** Where a page of the catalog ends, as text that clients hand back unchanged. */
import { z } from 'zod';
import type { AdapterCursor } from '../db/adapters.ts';
import { ApiError } from './errors.ts';

const Cursor = z.object({
  rank: z.number(),
  createdAt: z.iso.datetime(),
  id: z
    .string()
    .max(200)
    .regex(/^[^\0]*$/),
});

export function encodeCursor(cursor: AdapterCursor): string {
  return btoa(JSON.stringify(cursor)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

/** @throws ApiError invalid_request */
export function decodeCursor(text: string): AdapterCursor {
  try {
    return Cursor.parse(JSON.parse(atob(text.replaceAll('-', '+').replaceAll('_', '/'))));
  } catch {
    throw new ApiError('invalid_request', 'cursor: use `next` of the page before, unchanged.', {
      field: 'cursor',
    });
  }
}
