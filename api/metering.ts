/** What answers and training cost, and whether there is money left for them. */
import type { Database } from '../db/open.ts';
import { type Job, type JobChange, note } from '../db/training.ts';
import { budgetOf, monthOf, recordUsage } from '../db/usage.ts';
import type { AnswerEvent } from '../functions/generate.ts';
import { count } from '../observe/metrics.ts';
import type { Principal } from './auth.ts';
import { ApiError } from './errors.ts';

/** @returns so, in words, where this month's cap is reached; undefined: there is money left */
async function capReached(db: Database, payer: string, now: Date): Promise<string | undefined> {
  const { spent, cap } = await budgetOf(db, payer, monthOf(now));
  if (cap === null || spent < cap) return undefined;
  return `The spending cap of ${payer} for ${monthOf(now)} is reached`;
}

/** @throws ApiError insufficient_quota: this month's cap is reached */
export async function requireBudget(db: Database, { owner }: Principal, now: Date): Promise<void> {
  const reached = await capReached(db, owner, now);
  if (reached) throw new ApiError('insufficient_quota', `${reached}: raise it with PUT /api/usage/cap.`);
}

const payerOf = ({ target }: Job): string => target.split('/')[0]!;

/** For a job that goes on once its tokens are entered: where that reaches the cap, it pauses as if somebody had asked for it. */
export async function pauseAtCap(tx: Database, job: Job, now: Date): Promise<JobChange> {
  const reached = job.pausing ? undefined : await capReached(tx, payerOf(job), now);
  if (!reached) return {};
  const what =
    'the job pauses where something is left to train. To go on, raise the cap with PUT /api/usage/cap and resume it.';
  await note(tx, job.id, `${reached}: ${what}`, 'warn');
  return { pausing: true };
}

/**
 * Enters what was trained since the last time: as checkpoints are kept, and when the job ends, whatever becomes of it. What is
 * trained again after a lost lease was entered before; what a runner loses is not.
 * @param trained since the job's first step
 */
export async function enterTraining(tx: Database, job: Job, trained: number, at: Date): Promise<JobChange> {
  const quantity = trained - job.meteredTokens;
  if (quantity <= 0) return {};
  await recordUsage(tx, {
    requestId: `${job.id} from ${job.meteredTokens}`,
    kind: 'training',
    at,
    payer: payerOf(job),
    model: job.model,
    baseId: job.baseId,
    adapterIds: job.parentId ? [job.parentId] : [],
    quantity,
  });
  count('patchbay_trained_tokens_total', quantity);
  return { meteredTokens: trained };
}

export interface Metered {
  readonly requestId: string;
  readonly payer: string;
  readonly model: string;
  readonly baseId: string;
  readonly adapterIds: readonly string[];
}

/**
 * Passes events on, counts and enters what was used: the prompt when it is accepted, the answer when it ends, however it ends. A server
 * that dies in between has the prompt in the books, and not the answer, which nobody got.
 */
export async function* metered(
  db: Database,
  request: Metered,
  now: () => Date,
  source: AsyncGenerator<AnswerEvent>,
): AsyncGenerator<AnswerEvent> {
  const enter = (kind: 'prompt' | 'completion', quantity: number) =>
    recordUsage(db, { ...request, kind, quantity, at: now() });
  let completion = 0;
  /** Of answers that have not ended: pieces of text, which are a token each at least. */
  const begun = new Map<number, number>();
  let prompt: Promise<unknown> = Promise.resolve();
  try {
    for await (const event of source) {
      if (event.type === 'start') {
        count('patchbay_tokens_total', event.promptTokens, { direction: 'in' });
        prompt = enter('prompt', event.promptTokens);
        prompt.catch(() => undefined); // thrown where it is awaited
      }
      if (event.type === 'delta') begun.set(event.index, (begun.get(event.index) ?? 0) + 1);
      if (event.type === 'finish') {
        begun.delete(event.index);
        completion += event.completionTokens;
      }
      yield event;
    }
  } finally {
    for (const pieces of begun.values()) completion += pieces;
    count('patchbay_tokens_total', completion, { direction: 'out' });
    await prompt;
    if (completion > 0) await enter('completion', completion);
  }
}
