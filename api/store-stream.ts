/** Content on its way into the object store: hashed as it passes, never held whole. */
import type { BlobStore } from './blob-store.ts';
import { PART_SIZE } from './staged-files.ts';
import type { PublishDeps } from './versions.ts';

export interface Stored {
  readonly size: number;
  readonly sha256: string;
}

/**
 * The upload is not finished yet: whoever began it may still think otherwise.
 * @param check is told how much has come, and throws where that is too much
 */
export async function storeStream(
  { blobs, createHasher }: { blobs: BlobStore; createHasher: PublishDeps['createHasher'] },
  { key, uploadId }: { key: string; uploadId: string },
  content: AsyncIterable<Uint8Array>,
  check: (size: number) => void,
): Promise<Stored> {
  const hasher = createHasher();
  let [size, number] = [0, 0];
  const looked = async function* () {
    for await (const chunk of content) {
      size += chunk.length;
      check(size);
      hasher.update(chunk);
      yield chunk;
    }
  };
  for await (const piece of inPieces(looked(), PART_SIZE))
    await blobs.putPart(key, uploadId, ++number, piece);
  return { size, sha256: hasher.digest() };
}

/** Of this size each, but for the last. One buffer holds them all, one after another: be done with a piece before the next. */
export async function* inPieces(
  content: AsyncIterable<Uint8Array>,
  size: number,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const piece = new Uint8Array(size);
  let filled = 0;
  for await (const chunk of content)
    for (let at = 0; at < chunk.length; ) {
      const taken = chunk.subarray(at, at + size - filled);
      piece.set(taken, filled);
      filled += taken.length;
      at += taken.length;
      if (filled < size) continue;
      yield piece;
      filled = 0;
    }
  if (filled > 0) yield piece.subarray(0, filled);
}
