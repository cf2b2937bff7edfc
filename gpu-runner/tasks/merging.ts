/** Merges adapters into their base, and hands in the checkpoint that comes of it. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { AdapterError, AdapterProblems } from '../../adapter/error.ts';
import type { MergeEvent, MergeResult } from '../../functions/merge.ts';
import { type TaskContext, TaskRefusal } from '../../functions/tasks.ts';
import { ResultUploads } from '../../functions/train.ts';
import type { Downloads } from '../downloads.ts';
import { readAdapterFile, WEIGHTS_FILE } from '../model/adapter-file.ts';
import { type Checkpoint, openCheckpoint } from '../model/checkpoint.ts';
import { type MergeAdapter, mergeCheckpoint } from '../model/merge.ts';
import { put, type RunnerApi } from '../runner-api.ts';
import { servedModules } from '../serve/load-adapter.ts';

type MergedFile = MergeResult['files'][number];

/** @param folder of its own, that is removed in the end @throws TaskRefusal, Fault */
export async function mergeAndHandIn(
  event: MergeEvent,
  {
    api,
    downloads,
    leaseId,
    folder,
  }: { api: RunnerApi; downloads: Downloads; leaseId: string; folder: string },
  { signal, report }: TaskContext,
): Promise<MergeResult> {
  using held = new DisposableStack();
  try {
    report({ what: 'merging', done: 0, total: event.adapters.length });
    const checkpoint = await openCheckpoint(await downloads.base(event.base, held, signal));
    const adapters = await readAdapters(event, checkpoint, downloads, held, signal);
    signal.throwIfAborted();
    await mergeCheckpoint(checkpoint, adapters, folder);
    const files = await digestsOf(folder);
    while (await send(api, leaseId, folder, files, { signal, report })) {} // the store may have lost some of it
    return { files };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function readAdapters(
  { adapters }: MergeEvent,
  checkpoint: Checkpoint,
  downloads: Downloads,
  held: DisposableStack,
  signal: AbortSignal,
): Promise<MergeAdapter[]> {
  const merged: MergeAdapter[] = [];
  for (const { digest, config, weight, weights } of adapters) {
    const from = await downloads.adapter({ digest, weights }, held, signal);
    try {
      const read = await readAdapterFile(join(from, WEIGHTS_FILE), config, checkpoint.config);
      merged.push({ adapter: { modules: await servedModules(checkpoint, read) }, weight });
    } catch (error) {
      if (error instanceof AdapterError || error instanceof AdapterProblems) throw unfit(error.message);
      throw error;
    }
  }
  const isMix = merged.length > 1 || merged[0]!.weight !== 1;
  if (isMix && merged.some(({ adapter }) => adapter.modules.some(({ gain }) => gain)))
    throw unfit(
      'An adapter with DoRA is merged alone, and with weight 1: what a mix would be is not defined.',
    );
  return merged;
}

const unfit = (message: string) => new TaskRefusal({ code: 'adapter_invalid', message, field: 'model' });

async function digestsOf(folder: string): Promise<MergedFile[]> {
  const files: MergedFile[] = [];
  for (const path of (await readdir(folder)).sort()) {
    const hash = createHash('sha256');
    let size = 0;
    await pipeline(createReadStream(join(folder, path)), async (chunks: AsyncIterable<Buffer>) => {
      for await (const chunk of chunks) {
        hash.update(chunk);
        size += chunk.length;
      }
    });
    files.push({ path, size, sha256: hash.digest('hex') });
  }
  return files;
}

export const sizeOf = (files: readonly MergedFile[]): number =>
  files.reduce((sum, { size }) => sum + size, 0);

/** Part by part: what has arrived before is not sent again. @returns whether there was anything to send */
async function send(
  api: RunnerApi,
  leaseId: string,
  folder: string,
  files: readonly MergedFile[],
  { signal, report }: TaskContext,
): Promise<boolean> {
  const total = sizeOf(files);
  let done = 0;
  let isSent = false;
  const given = await api.post(`tasks/${leaseId}/files`, { files }, undefined, total);
  const uploads = ResultUploads.parse(given);
  for (const { path, partSize, parts } of uploads.files) {
    await using file = await open(join(folder, path));
    for (const { number, size, url, done: arrived } of parts ?? []) {
      signal.throwIfAborted();
      if (!arrived) {
        const { buffer } = await file.read(new Uint8Array(size), 0, size, (number - 1) * partSize!);
        await put(url!, buffer);
        isSent = true;
      }
      done += size;
      report({ what: 'uploading', done, total });
    }
  }
  return isSent;
}
