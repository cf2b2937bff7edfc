/** What is done again and again beside answering requests, wherever the marketplace runs. */
import { recountLabels } from '../db/catalog.ts';
import { endExpiredLeases } from '../db/leases.ts';
import type { TrainingQueue } from '../db/queue.ts';
import { closeMonths } from '../db/usage.ts';
import { type DeliveryDeps, deliverDue } from './deliver-webhooks.ts';
import { type DownloadCounter, forgetOldDownloads } from './downloads.ts';
import { meterStorage } from './metering.ts';
import { sweepDrafts } from './publish.ts';
import { sweepUploads } from './user-files.ts';
import { type VerifyDeps, verifyListed } from './verify.ts';

export interface ScheduledWork {
  readonly what: string;
  readonly everyMs: number;
  run(): Promise<unknown>;
}

const SWEEP_MS = 10 * 60_000;
/** How often it is looked whether somebody is to be told something. */
const DELIVERY_MS = 2_000;
/** How often downloads are written. */
const COUNT_MS = 5_000;
/** How often leases of silent runners are looked for. */
const LEASE_SWEEP_MS = 10_000;

export type ScheduledDeps = VerifyDeps & {
  readonly queue: TrainingQueue;
  readonly downloads: DownloadCounter;
};

/** @param post tells a webhook, and nobody within our own network */
export function scheduledWork(deps: ScheduledDeps, post: DeliveryDeps['post']): readonly ScheduledWork[] {
  const { db, queue, now, downloads } = deps;
  const every = (everyMs: number, what: string, run: () => Promise<unknown>) => ({ what, everyMs, run });
  return [
    every(SWEEP_MS, 'sweeping drafts', () => sweepDrafts(deps)),
    every(SWEEP_MS, 'sweeping uploads', () => sweepUploads(deps)),
    every(LEASE_SWEEP_MS, 'ending leases', () => endExpiredLeases(db, queue, now())),
    every(COUNT_MS, 'counting downloads', () => downloads.write(db, now())),
    every(SWEEP_MS, 'forgetting old downloads', () => forgetOldDownloads(db, now())),
    every(DELIVERY_MS, 'delivering webhooks', () => deliverDue({ db, now, post })),
    every(SWEEP_MS, 'closing months', () => closeMonths(db, now())),
    every(SWEEP_MS, 'metering storage', () => meterStorage(db, now())),
    every(SWEEP_MS, 'counting labels', () => recountLabels(db)),
    every(SWEEP_MS, 'verifying by new rules', () => verifyListed(deps)),
  ];
}
