/** A client that has a small model trained, and waits for it. */
import { z } from 'zod';
import { baseId } from '../../in-process.ts';
import { Refused } from '../client.ts';
import { insist, type Load, sleep } from './load.ts';

const LOOK_MS = 250;
const ENDED = ['succeeded', 'failed', 'cancelled'];

export interface Training {
  readonly recipe: number;
  id: string | undefined;
  status: string | undefined;
  model: string | null;
  error: string | undefined;
}

const Row = z.looseObject({ id: z.string() });
const Job = z.looseObject({
  id: z.string(),
  status: z.string(),
  fine_tuned_model: z.string().nullable(),
  error: z.looseObject({ code: z.string(), message: z.string() }).nullish(),
});
const Jobs = z.object({ data: z.array(Job) });

/** The same data and numbers make the same bytes. */
export const RECIPES = [
  { seed: 11, rows: 40, hyperparameters: { n_epochs: 6, batch_size: 2, save_steps: 15, r: 4 } },
  {
    seed: 12,
    rows: 40,
    hyperparameters: {
      n_epochs: 8,
      batch_size: 2,
      save_steps: 10,
      r: 2,
      validation_split: 0.1,
      eval_steps: 20,
    },
  },
] as const;

const rowsOf = (count: number) =>
  Array.from({ length: count }, (_, i) =>
    JSON.stringify({
      messages: [
        { role: 'user', content: `question ${i}` },
        { role: 'assistant', content: `answer ${i * 7} and ${i % 3}` },
      ],
    }),
  ).join('\n');

const isFinal = (error: unknown) => error instanceof Refused && error.status < 500 && error.status !== 429;

/** @param delay before it begins */
export async function train(load: Load, number: number, recipe: number, delay: number): Promise<Training> {
  const training: Training = { recipe, id: undefined, status: undefined, model: null, error: undefined };
  await sleep(delay);
  try {
    await follow(load, `trainee ${number}`, `${load.prefix}-t${number}`, training);
  } catch (error) {
    training.error = (error as Error).message;
  }
  return training;
}

async function follow(load: Load, who: string, name: string, training: Training): Promise<void> {
  const { client, timeline } = load;
  const { seed, rows, hyperparameters } = RECIPES[training.recipe]!;
  const persistently = <T>(attempt: () => Promise<T>) => insist(load, who, attempt, isFinal);
  const file = await persistently(async () => {
    const form = new FormData();
    form.set('purpose', 'fine-tune');
    form.set('file', new File([rowsOf(rows)], 'rows.jsonl'));
    return Row.parse(await client.ok('POST', '/v1/files', form));
  });
  if (!file) return;
  const job = await persistently(async () => {
    // The answer to an attempt before may have been lost, and not the job.
    const made = Jobs.parse(await client.ok('GET', `/v1/fine_tuning/jobs?metadata[name]=${name}`));
    if (made.data[0]) return made.data[0];
    return Job.parse(
      await client.ok('POST', '/v1/fine_tuning/jobs', {
        model: baseId,
        training_file: file.id,
        suffix: name,
        seed,
        metadata: { name },
        method: { type: 'supervised', supervised: { hyperparameters } },
      }),
    );
  });
  if (!job) return;
  training.id = job.id;
  timeline.note(who, `job ${job.id}`);
  while (timeline.ms < load.givesUpAt) {
    const now = await persistently(async () =>
      Job.parse(await client.ok('GET', `/v1/fine_tuning/jobs/${job.id}`)),
    );
    training.status = now?.status;
    training.model = now?.fine_tuned_model ?? null;
    training.error = now?.error?.message;
    if (now && ENDED.includes(now.status)) break;
    await sleep(LOOK_MS);
  }
  timeline.note(who, `job ${job.id} ${training.status} ${training.error ?? ''}`);
}
