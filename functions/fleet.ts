/**
 * How a runner makes itself known: it reports where it is and how it does, again and again, and every report stands for itself. The
 * first is its registration, so one that a restarted database has forgotten is back with the next.
 */
import { z } from 'zod';
import { RunnerHealth } from './generate.ts';

/** Between two reports. */
export const REPORT_MS = 2_000;
/** A runner that was not heard of for so long is out: five reports. */
export const SILENT_MS = 5 * REPORT_MS;
/** An instance with a GPU is there, has its image and has loaded its base in about two minutes. Clients see that they wait. */
export const COLD_START_MS = 180_000;

/** Where the API reaches a runner. Only the holder of the runners' token may say; still no URL that leads anywhere else than to HTTP. */
export const RunnerUrl = z
  .url({ protocol: /^https?$/, error: 'must be an http:// or https:// URL', abort: true })
  .max(2048)
  .refine((url) => {
    const { username, password, search, hash } = new URL(url);
    return !username && !password && !search && !hash;
  }, 'must be an address alone: no user, no query, no fragment')
  .transform((url) => url.replace(/\/+$/, ''));

/** `POST /api/runner/runners`. A status of `draining` says that nothing new is taken. */
export const RunnerReport = z.object({ url: RunnerUrl, health: RunnerHealth });
export type RunnerReport = z.infer<typeof RunnerReport>;

/** `POST /api/runner/runners/left`: it is gone for good. */
export const RunnerLeft = z.object({ url: RunnerUrl });
