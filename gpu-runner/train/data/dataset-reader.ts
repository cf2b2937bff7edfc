/**
 * Reads training files in a thread of their own: a chat template is a stranger's program, and a file may be large. The
 * thread has bounded memory, and is ended when it makes no progress.
 */
import { Worker } from 'node:worker_threads';
import type { DatasetTask, FromDatasetWorker, ReadFile } from './dataset-worker.ts';

/** A row that fills a context of 128,000 tokens takes seconds. */
const STALL_MS = 60_000;
/** The tokenizer, twice, and digests of a million rows. */
const MEMORY_MB = 1024;

/** The file, or the template with it, cannot be read in the time and memory there is. */
export class DatasetError extends Error {
  override readonly name = 'DatasetError';
}

/** @param onRows told how many rows were read, now and then. @throws DatasetError */
export async function readInThread(
  task: DatasetTask,
  onRows: (rows: number) => void,
  signal: AbortSignal,
): Promise<ReadFile> {
  const worker = new Worker(new URL('./dataset-worker.ts', import.meta.url), {
    workerData: task,
    resourceLimits: { maxOldGenerationSizeMb: MEMORY_MB, stackSizeMb: 4 },
    env: {},
  });
  const { promise, resolve, reject } = Promise.withResolvers<ReadFile>();
  let rows = 0;
  const timer = setTimeout(() => {
    reject(new DatasetError(`nothing came of the row after ${rows} for ${STALL_MS / 1000} s`));
  }, STALL_MS);
  const aborted = () => reject(signal.reason);
  signal.addEventListener('abort', aborted, { once: true });
  worker.on('message', (message: FromDatasetWorker) => {
    timer.refresh();
    if (message.type === 'done') return resolve(message.read);
    rows = message.rows;
    onRows(rows);
  });
  worker.on('error', (error: NodeJS.ErrnoException) => {
    const isMemory = error.code === 'ERR_WORKER_OUT_OF_MEMORY';
    reject(isMemory ? new DatasetError(`the row after ${rows} needs more memory than there is`) : error);
  });
  worker.on('exit', () => reject(new Error('the thread that reads training files ended')));
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', aborted);
    await worker.terminate();
  }
}
