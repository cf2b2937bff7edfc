/** Why a job cannot be done, in words for its owner, as OpenAI's `error` of a job has them. */
import type { JobFailure } from '../../functions/train.ts';

export class JobRefusal extends Error {
  override readonly name = 'JobRefusal';
  readonly code: string;
  /** The field of the request that is at fault. */
  readonly param: string | null;

  constructor(code: string, param: string | null, message: string) {
    super(message);
    this.code = code;
    this.param = param;
  }

  get failure(): JobFailure {
    return { code: this.code, param: this.param, message: this.message };
  }
}

/** @param what is so about its examples, and the memory there is */
export function outOfMemory(what: string, memory: { readonly gradientCheckpointing: boolean }): JobRefusal {
  const hint = memory.gradientCheckpointing ? '' : ', or set gradient_checkpointing';
  return new JobRefusal(
    'out_of_memory',
    'hyperparameters.max_length',
    `max_length: ${what}. Lower it${hint}.`,
  );
}
