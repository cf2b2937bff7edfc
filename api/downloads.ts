/**
 * Counts downloads: who takes an adapter reads its configuration, so that is the file that is counted. Counts are kept here and
 * written every few seconds: a download does not wait for them, and a server that dies loses a few.
 */
import type { Database } from '../db/open.ts';
import { addDownloads, DOWNLOAD_DAYS, forgetDownloads } from '../db/popularity.ts';

const QUERY_FILE = 'adapter_config.json';
const DAY_MS = 86_400_000;

export class DownloadCounter {
  private counts = new Map<string, number>();

  count(adapterId: string, path: string): void {
    if (path === QUERY_FILE) this.counts.set(adapterId, (this.counts.get(adapterId) ?? 0) + 1);
  }

  async write(db: Database, now: Date): Promise<void> {
    const { counts } = this;
    if (counts.size === 0) return;
    this.counts = new Map();
    await addDownloads(db, counts, dayOf(now));
  }
}

/** Takes off what is older than thirty days. */
export async function forgetOldDownloads(db: Database, now: Date): Promise<void> {
  const oldest = dayOf(new Date(now.getTime() - (DOWNLOAD_DAYS - 1) * DAY_MS));
  while ((await forgetDownloads(db, oldest)) > 0);
}

const dayOf = (time: Date): string => time.toISOString().slice(0, 10);
