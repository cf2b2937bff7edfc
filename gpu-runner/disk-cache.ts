/**
 * Downloaded content in a folder, one folder per digest, least recently used ones removed beyond a limit of bytes. Loads of
 * one entry that run at once share one download. What a failed load has fetched whole serves the next attempt.
 */
import { randomUUID } from 'node:crypto';
import { mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { FileSource } from '../functions/generate.ts';
import { Fault } from './faults.ts';
import { fetchFile, PARTIAL } from './fetch-file.ts';

/** Of the limit: so that the next ones have room without another look. */
const MORE_THAN_NEEDED = 1 / 16;
/** Names of folders on their way out. */
const REMOVED = 'removed-';
/** A partial file older than this belongs to a process that died. */
const ABANDONED_MS = 24 * 60 * 60 * 1000;
/** Folders and files below the entry; no dot in front, so no `..` and nothing hidden; not a name that we make ourselves. */
const SAFE_PATH = /^(?!patchbay-)[A-Za-z0-9_][\w.-]*(\/[A-Za-z0-9_][\w.-]*)*$/;

/** An entry that stays until it is disposed of. */
export interface HeldEntry extends Disposable {
  /** Whether some of it had to be fetched. */
  readonly fetched: boolean;
  readonly folder: string;
}

export class DiskCache {
  private readonly folder: string;
  private readonly limit: number;
  private readonly loading = new Map<string, Promise<boolean>>();
  private readonly removing = new Map<string, Promise<void>>();
  private readonly holders = new Map<string, number>();
  /** Entries that this process has seen whole. */
  private readonly whole = new Set<string>();
  private trimming: Promise<void> = Promise.resolve();
  /** Of all entries; undefined: nobody has looked since this process began. */
  private bytes: number | undefined;

  constructor(folder: string, limit: number) {
    this.folder = folder;
    this.limit = limit;
  }

  /** The folder of an entry with all its files in it, held. @throws Fault */
  async hold(digest: string, files: readonly FileSource[]): Promise<HeldEntry> {
    const folder = join(this.folder, digest);
    this.holders.set(digest, (this.holders.get(digest) ?? 0) + 1);
    const release = () => {
      const left = this.holders.get(digest)! - 1;
      if (left > 0) this.holders.set(digest, left);
      else this.holders.delete(digest);
    };
    try {
      let fetched = false;
      // What somebody else has removed is fetched again.
      if (this.whole.has(digest) && (await isThere(folder))) await markUsed(folder);
      else fetched = await this.load(digest, folder, files);
      return { folder, fetched, [Symbol.dispose]: release };
    } catch (error) {
      release();
      throw error;
    }
  }

  private load(digest: string, folder: string, files: readonly FileSource[]): Promise<boolean> {
    const running = this.loading.get(digest);
    if (running) return running;
    const load = this.fetchAll(digest, folder, files).finally(() => this.loading.delete(digest));
    this.loading.set(digest, load);
    return load;
  }

  /** @returns whether some of it was not there */
  private async fetchAll(digest: string, folder: string, files: readonly FileSource[]): Promise<boolean> {
    checkPaths(files);
    await this.removing.get(digest);
    await mkdir(folder, { recursive: true });
    let hasFetched = false;
    for (const file of files) {
      if (!(await fetchFile(file, join(folder, file.path)))) continue;
      hasFetched = true;
      // At once: it lies there whether or not the next one comes.
      if (this.bytes !== undefined) this.bytes += file.size;
    }
    await markUsed(folder);
    this.whole.add(digest);
    await this.makeRoom();
    return hasFetched;
  }

  /** To look at every entry takes half a second where there are ten thousand. */
  private async makeRoom(): Promise<void> {
    const isFull = () => this.bytes === undefined || this.bytes > this.limit;
    if (!isFull()) return;
    // Whoever has what it asked for does not fail because something else could not be removed; the next one tries again.
    this.trimming = this.trimming.then(() => (isFull() ? this.trim() : undefined)).catch(() => undefined);
    await this.trimming;
  }

  private async trim(): Promise<void> {
    const names = await readdir(this.folder);
    const entries = await Promise.all(names.map((name) => measure(join(this.folder, name), name)));
    let total = entries.reduce((sum, { size }) => sum + size, 0);
    const goal = total > this.limit ? this.limit * (1 - MORE_THAN_NEEDED) : this.limit;
    this.bytes = total;
    for (const { name, size } of entries.sort((a, b) => a.usedAt - b.usedAt)) {
      if (total <= goal) return;
      if (this.holders.has(name)) continue;
      const removal = this.remove(name).finally(() => this.removing.delete(name));
      this.removing.set(name, removal); // whoever wants it now waits, and then fetches it again
      await removal;
      total -= size;
      this.bytes = total;
    }
  }

  private async remove(name: string): Promise<void> {
    this.whole.delete(name);
    const doomed = join(this.folder, `${REMOVED}${randomUUID()}`);
    await rename(join(this.folder, name), doomed); // at once, so that nobody finds half an entry after a crash
    await rm(doomed, { recursive: true, force: true });
  }
}

function checkPaths(files: readonly FileSource[]): void {
  const seen = new Set<string>();
  for (const { path } of files) {
    if (!SAFE_PATH.test(path))
      throw new Fault(
        'invalid_request',
        `${JSON.stringify(path)} cannot be the name of a model's file`,
        'files',
      );
    if (seen.has(path)) throw new Fault('invalid_request', `${path} is listed twice`, 'files');
    seen.add(path);
  }
}

const isThere = async (folder: string) => (await statOf(folder)) !== undefined;

async function markUsed(folder: string): Promise<void> {
  const now = new Date();
  await utimes(folder, now, now);
}

async function measure(path: string, name: string): Promise<{ name: string; usedAt: number; size: number }> {
  return { name, usedAt: (await statOf(path))?.mtimeMs ?? 0, size: await sizeOf(path) };
}

/** Bytes of a file or a folder. Partial files come and go, and are removed when nobody finishes them. */
async function sizeOf(path: string): Promise<number> {
  const info = await statOf(path);
  if (!info) return 0;
  if (!info.isDirectory()) {
    const abandoned = path.endsWith(PARTIAL) && Date.now() - info.mtimeMs > ABANDONED_MS;
    if (abandoned) await rm(path, { force: true });
    return abandoned ? 0 : info.size;
  }
  const names = await readdir(path).catch(() => []);
  const sizes = await Promise.all(names.map((name) => sizeOf(join(path, name))));
  return sizes.reduce((sum, size) => sum + size, 0);
}

function statOf(path: string) {
  return stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
}
