/** `resolve`: the bytes of a file, or where they are. */

import type { Context } from 'hono';
import { LRUCache } from 'lru-cache';
import type { StoredFile } from '../../db/bases.ts';
import { blobKey } from '../../functions/object-keys.ts';
import type { BlobStore } from '../blob-store.ts';
import { type AppEnv, absolute } from '../context.ts';
import { type GitObjects, isLfs } from './git-objects.ts';

/**
 * What a commit holds never changes; what a branch points to does. An hour, not for ever: what is taken off the list, or made private,
 * is then gone from caches, too, and what has not changed costs a 304.
 */
const FRESH = 'max-age=3600, immutable';

export interface Served {
  readonly file: StoredFile;
  readonly commit: string;
  /** Whether the URL names the commit itself. */
  readonly pinned: boolean;
  /** Whether everybody may have it: else no cache may give it to another. */
  readonly isOpen: boolean;
}

export async function serveFile(
  c: Context<AppEnv>,
  { blobs, objects }: { blobs: BlobStore; objects: GitObjects },
  { file, commit, pinned, isOpen }: Served,
): Promise<Response> {
  const lfs = isLfs(file);
  const etag = `"${lfs ? file.sha256 : await objects.oid(file)}"`;
  const headers = new Headers({ 'x-repo-commit': commit, etag, 'accept-ranges': 'bytes' });
  if (!isOpen) headers.set('cache-control', pinned ? `private, ${FRESH}` : 'private, no-cache');
  else if (pinned) headers.set('cache-control', `public, ${FRESH}`);
  if (c.req.header('if-none-match') === etag) return new Response(null, { status: 304, headers });
  if (lfs) {
    const url = await blobs.readUrl(blobKey(file.sha256), file.path);
    headers.set('x-linked-etag', etag);
    headers.set('x-linked-size', String(file.size));
    // Python's client takes a redirect to its own host name, whatever the port, for one within the API: it follows with HEAD
    // and with its key, neither of which a presigned URL bears. Then the bytes go through here.
    const ours = [absolute(c), c.req.url].map((own) => new URL(own).hostname);
    if (!ours.includes(new URL(url).hostname)) {
      headers.set('location', url);
      headers.delete('cache-control'); // the URL expires
      return new Response(null, { status: 302, headers });
    }
  }
  return send(c, blobs, file, headers);
}

/** Small files are asked for most, and never change. */
const SMALL = 64 * 1024;
const small = new LRUCache<string, Uint8Array<ArrayBuffer>>({
  maxSize: 32 * 2 ** 20,
  sizeCalculation: ({ length }) => length,
});

async function contentOf(
  blobs: BlobStore,
  { sha256, size }: Pick<StoredFile, 'sha256' | 'size'>,
  range: { offset: number; length: number } | undefined,
): Promise<ReadableStream<Uint8Array> | Uint8Array<ArrayBuffer>> {
  if (size > SMALL || size === 0) return blobs.read(blobKey(sha256), range);
  const known =
    small.get(sha256) ?? new Uint8Array(await new Response(await blobs.read(blobKey(sha256))).arrayBuffer());
  small.set(sha256, known);
  return range ? known.slice(range.offset, range.offset + range.length) : known;
}

async function send(
  c: Context<AppEnv>,
  blobs: BlobStore,
  { sha256, size }: StoredFile,
  headers: Headers,
): Promise<Response> {
  const range = parseRange(c.req.header('range'), size);
  if (range === 'unsatisfiable') {
    headers.set('content-range', `bytes */${size}`);
    return new Response(null, { status: 416, headers });
  }
  headers.set('content-type', 'application/octet-stream');
  headers.set('content-length', String(range?.length ?? size));
  if (range) headers.set('content-range', `bytes ${range.offset}-${range.offset + range.length - 1}/${size}`);
  const body = c.req.method === 'HEAD' ? null : await contentOf(blobs, { sha256, size }, range);
  return new Response(body, { status: range ? 206 : 200, headers });
}

/** One range (RFC 9110, 14.1.2); several, or what is none, are answered with the whole, as the RFC allows. */
export function parseRange(
  header: string | undefined,
  size: number,
): { offset: number; length: number } | 'unsatisfiable' | undefined {
  const [, first, last] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? '') ?? [];
  if (first === undefined || last === undefined || (!first && !last)) return undefined;
  const offset = first ? Number(first) : Math.max(0, size - Number(last));
  const end = first && last ? Math.min(Number(last), size - 1) : size - 1;
  if (first && last && Number(last) < Number(first)) return undefined;
  return offset > end ? 'unsatisfiable' : { offset, length: end - offset + 1 };
}
