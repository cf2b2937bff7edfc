/**
 * Counts downloads: who takes an adapter reads its configuration, so that is the file that is counted. Counts are kept here and
 * written every few seconds: a download does not wait for them, and a server that dies loses a few.
 */
import type { Database } from '../db/open.ts';
import { addDownloads } from '../db/popularity.ts';

const WRITE_MS = 5_000;
const QUERY_FILE = 'adapter_config.json';

export class DownloadCounter {
  private counts = new Map<string, number>();

  count(adapterId: string, path: string): void {
    if (path === QUERY_FILE) this.counts.set(adapterId, (this.counts.get(adapterId) ?? 0) + 1);
  }

  /** @returns what ends it, once the last counts are written */
  keepWriting(db: Database, now: () => Date, onError: (error: unknown) => void): () => Promise<void> {
    const timer = setInterval(() => this.write(db, now()).catch(onError), WRITE_MS);
    return () => {
      clearInterval(timer);
      return this.write(db, now());
    };
  }

  async write(db: Database, now: Date): Promise<void> {
    const { counts } = this;
    if (counts.size === 0) return;
    this.counts = new Map();
    await addDownloads(db, counts, dayOf(now));
  }
}

const dayOf = (time: Date): string => time.toISOString().slice(0, 10);
