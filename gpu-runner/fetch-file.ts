/** Downloads a file that a request names, and lets it through only if it is what was named. */
import { createHash, randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { FileSource } from '../functions/generate.ts';
import { Fault } from './faults.ts';
import { fetch } from './fetch.ts';

/** A store that sends nothing for this long is given up. */
const STALL_MS = 30_000;

/** How the name of a file that is still being written ends. */
export const PARTIAL = '.partial';

/** The store says that there is no such file: to ask again would change nothing. */
export class FileMissing extends Fault {
  constructor(detail: string) {
    super('fetch_failed', detail);
  }
}

const NOT_FOUND = 404;

/**
 * A file that lies there whole already is not fetched again.
 * @returns whether it was not there
 * @throws Fault fetch_failed, checksum_mismatch; what the signal was aborted with
 */
export async function fetchFile(source: FileSource, path: string, signal?: AbortSignal): Promise<boolean> {
  if ((await stat(path).catch(() => undefined))?.size === source.size) return false;
  await mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.${randomUUID()}${PARTIAL}`;
  try {
    await download(source, temporary, signal);
    await rename(temporary, path);
    return true;
  } finally {
    await rm(temporary, { force: true });
  }
}

async function download(
  { url, size, sha256, path: name }: FileSource,
  target: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const stalled = new AbortController();
  const timer = setTimeout(() => stalled.abort(), STALL_MS);
  const hash = createHash('sha256');
  let received = 0;
  const check = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      timer.refresh();
      received += chunk.length;
      hash.update(chunk);
      done(
        received > size
          ? new Fault('checksum_mismatch', `${name} is larger than the ${size} bytes it should have`)
          : null,
        chunk,
      );
    },
  });
  try {
    const response = await fetch(url, {
      signal: signal ? AbortSignal.any([stalled.signal, signal]) : stalled.signal,
      headers: { 'accept-encoding': 'identity' }, // size and sha256 are of the bytes as stored
    });
    if (response.status === NOT_FOUND)
      throw new FileMissing(`${name}: the object store answered ${NOT_FOUND}`);
    if (!response.ok || !response.body)
      throw new Fault('fetch_failed', `${name}: the object store answered ${response.status}`);
    await pipeline(
      Readable.fromWeb(response.body as Parameters<typeof Readable.fromWeb>[0]),
      check,
      createWriteStream(target, { flush: true }),
    );
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof Fault || isFileSystemError(error)) throw error;
    const detail = stalled.signal.aborted
      ? `${name}: the object store sent nothing for ${STALL_MS / 1000} s`
      : `${name} could not be fetched from the object store`;
    throw new Fault('fetch_failed', detail, undefined, error);
  } finally {
    clearTimeout(timer);
  }
  const actual = hash.digest('hex');
  if (received !== size || actual !== sha256) {
    throw new Fault(
      'checksum_mismatch',
      `${name} is not what it should be: ${received} bytes with sha256 ${actual}`,
    );
  }
}

/** Such as a full disk: our own trouble, not the store's. (A network error carries its system call in its cause.) */
function isFileSystemError(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error;
}
