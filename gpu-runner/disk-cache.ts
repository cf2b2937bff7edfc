/**
 * Downloaded content in a folder, one entry (a file or a folder) per digest, least recently used ones removed beyond a
 * limit. Loads of one entry that run at once share one download; a failed load leaves nothing behind.
 */
import { mkdir, readdir, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { FileSource } from '../functions/generate.ts';
import { fetchFile } from './fetch-file.ts';

export class DiskCache {
  private readonly folder: string;
  private readonly limit: number;
  private readonly loading = new Map<string, Promise<string>>();
  private readonly inUse = new Map<string, number>();

  constructor(folder: string, limit: number) {
    this.folder = folder;
    this.limit = limit;
  }

  /** The folder of an entry, with all its files in it. @throws Fault */
  load(digest: string, files: readonly FileSource[]): Promise<string> {
    const running = this.loading.get(digest);
    if (running) return running;
    const load = this.fetchAll(digest, files).finally(() => this.loading.delete(digest));
    this.loading.set(digest, load);
    return load;
  }

  /** Keeps an entry from being removed until the returned function is called. */
  hold(digest: string): () => void {
    this.inUse.set(digest, (this.inUse.get(digest) ?? 0) + 1);
    return () => {
      const left = (this.inUse.get(digest) ?? 1) - 1;
      if (left > 0) this.inUse.set(digest, left);
      else this.inUse.delete(digest);
    };
  }

  private async fetchAll(digest: string, files: readonly FileSource[]): Promise<string> {
    const entry = join(this.folder, digest);
    const release = this.hold(digest);
    try {
      await mkdir(entry, { recursive: true });
      for (const file of files) await fetchFile(file, join(entry, file.path));
      const now = new Date();
      await utimes(entry, now, now);
      await this.trim();
      return entry;
    } finally {
      release();
    }
  }

  private async trim(): Promise<void> {
    const entries = await Promise.all(
      (await readdir(this.folder)).map(async (name) => {
        const path = join(this.folder, name);
        const { mtimeMs } = await stat(path);
        return { name, path, usedAt: mtimeMs, size: await sizeOf(path) };
      }),
    );
    let total = entries.reduce((sum, { size }) => sum + size, 0);
    for (const { name, path, size } of entries.sort((a, b) => a.usedAt - b.usedAt)) {
      if (total <= this.limit) return;
      if (this.inUse.has(name) || this.loading.has(name)) continue;
      await rm(path, { recursive: true, force: true });
      total -= size;
    }
  }
}

async function sizeOf(path: string): Promise<number> {
  const info = await stat(path);
  if (!info.isDirectory()) return info.size;
  const names = await readdir(path);
  const sizes = await Promise.all(names.map((name) => sizeOf(join(path, name))));
  return sizes.reduce((sum, size) => sum + size, 0);
}
