/** Files that a runner works on: fetched once, held on the disk while they are used. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AdapterSource, BaseSource, FileSource } from '../functions/generate.ts';
import { DiskCache, type HeldEntry } from './disk-cache.ts';
import { Fault } from './faults.ts';
import { WEIGHTS_FILE } from './model/adapter-file.ts';

/** Files are known by their content, whatever their owners call them. */
const DATA_FILE = 'data.jsonl';
const ATTEMPTS = 4;
const DELAY_MS = 1_000;

export class Downloads {
  private readonly bases: DiskCache;
  private readonly adapters: DiskCache;
  private readonly files: DiskCache;

  constructor({ cacheFolder, diskBytes }: { cacheFolder: string; diskBytes: number }) {
    const cache = (name: string) => new DiskCache(join(cacheFolder, name), diskBytes);
    this.bases = cache('bases');
    this.adapters = cache('adapters');
    this.files = cache('files');
  }

  /**
   * @param held what stays on the disk until it is disposed of
   * @returns the folder
   * @throws Fault; what the signal was aborted with
   */
  base({ digest, files }: BaseSource, held: DisposableStack, signal: AbortSignal): Promise<string> {
    return fetched(this.bases, digest, files, held, signal);
  }

  /** @returns the folder that has the weights. @throws Fault */
  adapter(
    { digest, weights }: Pick<AdapterSource, 'digest' | 'weights'>,
    held: DisposableStack,
    signal: AbortSignal,
  ): Promise<string> {
    return fetched(this.adapters, digest, [{ ...weights, path: WEIGHTS_FILE }], held, signal);
  }

  /** @returns the file's path. @throws Fault */
  async data(source: FileSource, held: DisposableStack, signal: AbortSignal): Promise<string> {
    const folder = await fetched(this.files, source.sha256, [{ ...source, path: DATA_FILE }], held, signal);
    return join(folder, DATA_FILE);
  }
}

/** A store that is away for a moment is asked again. */
async function fetched(
  cache: DiskCache,
  digest: string,
  files: readonly FileSource[],
  held: DisposableStack,
  signal: AbortSignal,
): Promise<string> {
  for (let attempt = 1; ; attempt++) {
    try {
      return held.use(await heldUnlessAborted(cache.hold(digest, files), signal)).folder;
    } catch (error) {
      if (!(error instanceof Fault) || error.status !== 502 || attempt === ATTEMPTS) throw error;
      await sleep(DELAY_MS * 2 ** (attempt - 1), undefined, { signal });
    }
  }
}

/** Whoever is called away waits no longer. The download goes on: others may wait for the same. */
async function heldUnlessAborted(holding: Promise<HeldEntry>, signal: AbortSignal): Promise<HeldEntry> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([aborted, holding]);
  } catch (error) {
    holding.then(
      (entry) => entry[Symbol.dispose](),
      () => undefined,
    );
    throw error;
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
