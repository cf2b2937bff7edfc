/** The other side of dataset-reader.ts: reads one file, and says how far it is. */
import { createHash } from 'node:crypto';
import { parentPort, workerData } from 'node:worker_threads';
import { openTokenizer } from '../../model/conversation.ts';
import { type Dataset, type ReadSettings, readDataset } from './dataset.ts';

export interface DatasetTask extends ReadSettings {
  /** Of the checkpoint. */
  readonly folder: string;
}

export type FromDatasetWorker =
  | { readonly type: 'rows'; readonly rows: number }
  | { readonly type: 'done'; readonly read: ReadFile };

export interface ReadFile {
  readonly dataset: Dataset;
  /** sha256 of the base's chat template, which decides how conversations are read. */
  readonly template: string | null;
}

const SAY_EVERY_MS = 200;

const port = parentPort!;
const task = workerData as DatasetTask;
const tokenizer = await openTokenizer(task.folder);
let said = performance.now();
const dataset = await readDataset(task, tokenizer, (rows) => {
  if (performance.now() - said < SAY_EVERY_MS) return;
  said = performance.now();
  port.postMessage({ type: 'rows', rows } satisfies FromDatasetWorker);
});
const { chatTemplate } = tokenizer;
const template = chatTemplate ? createHash('sha256').update(chatTemplate).digest('hex') : null;
port.postMessage({ type: 'done', read: { dataset, template } } satisfies FromDatasetWorker);
