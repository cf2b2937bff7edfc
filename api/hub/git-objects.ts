/** Files as git and git-lfs name them, which is what the Hub's clients compare. */

import { LRUCache } from 'lru-cache';
import type { StoredFile } from '../../db/bases.ts';
import { blobKey } from '../../functions/object-keys.ts';
import type { BlobStore } from '../blob-store.ts';

/** Larger files, and weights, are git-lfs objects: clients expect their sha256, and where else they can be fetched. */
const MAX_REGULAR = 2 ** 20;
const REMEMBERED = 10_000;

export const isLfs = ({ path, size }: StoredFile): boolean =>
  path.endsWith('.safetensors') || size > MAX_REGULAR;

/** What git stores in place of the content. Format: github.com/git-lfs/git-lfs/blob/main/docs/spec.md */
export const lfsPointer = ({ sha256, size }: StoredFile): string =>
  `version https://git-lfs.github.com/spec/v1\noid sha256:${sha256}\nsize ${size}\n`;

export class GitObjects {
  private readonly blobs: BlobStore;
  /** By sha256: content never changes. */
  private readonly oids = new LRUCache<string, string>({ max: REMEMBERED });

  constructor(blobs: BlobStore) {
    this.blobs = blobs;
  }

  /** sha1 of the git blob: of the content, or of the pointer to it. */
  async oid(file: StoredFile): Promise<string> {
    const known = this.oids.get(file.sha256);
    if (known) return known;
    const content = isLfs(file) ? new TextEncoder().encode(lfsPointer(file)) : await this.content(file);
    const oid = await blobOid(content);
    this.oids.set(file.sha256, oid);
    return oid;
  }

  /** An entry of `tree` and `paths-info`. Without `xetHash`: with it, clients would ask a store that is not there. */
  async entry(file: StoredFile) {
    const { path, size, sha256 } = file;
    const oid = await this.oid(file);
    const lfs = { oid: sha256, size, pointerSize: lfsPointer(file).length };
    return { type: 'file' as const, oid, size, path, ...(isLfs(file) ? { lfs } : {}) };
  }

  private async content({ sha256 }: StoredFile): Promise<Uint8Array<ArrayBuffer>> {
    return new Uint8Array(await new Response(await this.blobs.read(blobKey(sha256))).arrayBuffer());
  }
}

async function blobOid(content: Uint8Array<ArrayBuffer>): Promise<string> {
  const header = new TextEncoder().encode(`blob ${content.length}\0`);
  const whole = new Uint8Array(header.length + content.length);
  whole.set(header);
  whole.set(content, header.length);
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-1', whole));
  return [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
