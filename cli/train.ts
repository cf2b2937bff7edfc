/** `patchbay train`: upload the rows, start a job, and watch it. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { Client } from './client.ts';
import { CliError, EXIT } from './errors.ts';
import { follow } from './follow.ts';
import { described, Job, versionMade } from './jobs.ts';
import { number } from './options.ts';
import { note, type Output, result } from './output.ts';
import { sendFile, sizeOf } from './send-file.ts';

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
  const training_file = await sendFile(client, output, data);
  const validation_file = options.validation && (await sendFile(client, output, options.validation));
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
  const made = versionMade(job);
  result(output, job, () => `Made ${made}\nTalk to it: patchbay chat ${made}`);
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

export async function sha256Of(path: string): Promise<string> {
  await sizeOf(path);
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest('hex');
}
