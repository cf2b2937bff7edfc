/** What answers and training cost, and whether there is money left for them. */
import type { Database } from '../db/open.ts';
import type { Job, JobChange } from '../db/training.ts';
import { budgetOf, monthOf, recordUsage } from '../db/usage.ts';
import type { GenerateEvent } from '../functions/generate.ts';
import { count } from '../observe/metrics.ts';
import type { Principal } from './auth.ts';
import { ApiError } from './errors.ts';

/** @throws ApiError insufficient_quota: this month's cap is reached */
export async function requireBudget(db: Database, { owner }: Principal, now: Date): Promise<void> {
  const { spent, cap } = await budgetOf(db, owner, monthOf(now));
  if (cap !== null && spent >= cap)
    throw new ApiError(
      'insufficient_quota',
      `The spending cap of ${owner} for ${monthOf(now)} is reached: raise it with PUT /api/usage/cap.`,
    );
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
    payer: job.target.split('/')[0]!,
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
 * Passes events on, and enters what was used: the prompt when it is accepted, the answer when it ends, however it ends. A server
 * that dies in between has the prompt in the books, and not the answer, which nobody got.
 */
export async function* metered(
  db: Database,
  request: Metered,
  now: () => Date,
  source: AsyncGenerator<GenerateEvent>,
): AsyncGenerator<GenerateEvent> {
  const enter = (kind: 'prompt' | 'completion', quantity: number) =>
    recordUsage(db, { ...request, kind, quantity, at: now() });
  let completion = 0;
  /** Of answers that have not ended: pieces of text, which are a token each at least. */
  const begun = new Map<number, number>();
  let prompt: Promise<unknown> = Promise.resolve();
  try {
    for await (const event of source) {
      if (event.type === 'start') {
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
    await prompt;
    for (const pieces of begun.values()) completion += pieces;
    if (completion > 0) await enter('completion', completion);
  }
}
