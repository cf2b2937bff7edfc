/** `patchbay train`: upload the rows, start a job, and watch it. */
import { createHash } from 'node:crypto';
import { createReadStream, openAsBlob } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { z } from 'zod';
import type { Client } from './client.ts';
import { CliError, EXIT } from './errors.ts';
import { follow } from './follow.ts';
import { described, Job } from './jobs.ts';
import { number } from './options.ts';
import { note, type Output, progress, result } from './output.ts';

const UploadedFile = z.looseObject({ id: z.string() });

export interface TrainOptions {
  readonly base: string;
  readonly name?: string;
  readonly private?: boolean;
  readonly validation?: string;
  readonly epochs?: string;
  readonly batchSize?: string;
  readonly learningRate?: string;
  readonly rank?: string;
  readonly alpha?: string;
  readonly targetModules?: string;
  readonly seed?: string;
  readonly set?: readonly string[];
  readonly follow?: boolean;
}

export async function train(
  client: Client,
  output: Output,
  data: string,
  options: TrainOptions,
): Promise<void> {
  const hyperparameters = hyperparametersOf(options); // before anything is sent
  const seed = number('--seed', options.seed);
  const training_file = await uploadFile(client, output, data);
  const validation_file = options.validation && (await uploadFile(client, output, options.validation));
  const job = await startJob(client, {
    model: options.base,
    training_file,
    ...(validation_file ? { validation_file } : {}),
    ...(options.name ? { suffix: options.name } : {}),
    ...(options.private ? { visibility: 'private' } : {}),
    ...(seed === undefined ? {} : { seed }),
    method: { type: 'supervised', supervised: { hyperparameters } },
  });
  if (!options.follow) {
    result(output, job, () => `${described(job)}\nFollow it: patchbay jobs follow ${job.id}`);
    return;
  }
  note(`${job.id}`);
  await followToTheEnd(client, output, job.id);
}

export async function followToTheEnd(client: Client, output: Output, id: string): Promise<void> {
  const job = await follow(client, output, id);
  const model = job.fine_tuned_model;
  result(output, job, () => `Made ${model}\nTalk to it: patchbay chat ${model?.replace('@v', '@')}`);
}

const startJob = (client: Client, body: object): Promise<Job> =>
  client.post(Job, '/v1/fine_tuning/jobs', body);

/** Options by the names that the API has for them. @throws CliError */
export function hyperparametersOf(options: Omit<TrainOptions, 'base'>): Record<string, unknown> {
  const given = {
    n_epochs: number('--epochs', options.epochs),
    batch_size: number('--batch-size', options.batchSize),
    learning_rate: number('--learning-rate', options.learningRate),
    r: number('--rank', options.rank),
    lora_alpha: number('--alpha', options.alpha),
    target_modules: options.targetModules?.split(',').map((name) => name.trim()),
    ...Object.fromEntries((options.set ?? []).map(assignment)),
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

/** `key=value`; the value is JSON, or text where it is none. */
function assignment(text: string): [string, unknown] {
  const [, key, value] = /^([a-z_]+)=(.*)$/s.exec(text) ?? [];
  if (key === undefined || value === undefined)
    throw new CliError(
      EXIT.usage,
      `--set ${text} is not key=value`,
      'For example: --set lr_scheduler_type=cosine',
    );
  try {
    return [key, JSON.parse(value)];
  } catch {
    return [key, value];
  }
}

/** @returns the id of the file on the server */
export async function uploadFile(client: Client, output: Output, path: string): Promise<string> {
  const size = await sizeOf(path);
  const form = new FormData();
  form.set('purpose', 'fine-tune');
  form.set('file', await openAsBlob(path), basename(path));
  const encoded = new Response(form);
  const bar = progress(output, `uploading ${basename(path)}`, size);
  const counted = encoded.body!.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform: (chunk, controller) => {
        bar.add(chunk.length);
        controller.enqueue(chunk);
      },
    }),
  );
  try {
    const { id } = await client.upload(
      UploadedFile,
      '/v1/files',
      counted,
      encoded.headers.get('content-type')!,
    );
    return id;
  } finally {
    bar.done();
  }
}

async function sizeOf(path: string): Promise<number> {
  const info = await stat(path).catch(() => undefined);
  if (!info?.isFile()) throw new CliError(EXIT.usage, `there is no file ${path}`);
  return info.size;
}

export async function sha256Of(path: string): Promise<string> {
  await sizeOf(path);
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest('hex');
}
