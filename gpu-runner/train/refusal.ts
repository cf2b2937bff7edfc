/** Why a job cannot be done, in words for its owner, as OpenAI's `error` of a job has them. */
import type { JobFailure } from '../../functions/train.ts';
import { isOutOfMemory } from '../own-trouble.ts';

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

/** There is less memory than its examples need. */
export class OutOfMemory extends JobRefusal {
  readonly what: string;

  /** @param what is so about its examples, and the memory there is */
  constructor(what: string, memory: { readonly gradientCheckpointing: boolean }) {
    const hint = memory.gradientCheckpointing ? '' : ', or set gradient_checkpointing';
    super('out_of_memory', 'hyperparameters.max_length', `max_length: ${what}. Lower it${hint}.`);
    this.what = what;
  }
}

/** Training, which may take more memory than was planned. @throws OutOfMemory, and whatever it throws */
export async function withinMemory<T>(
  memory: { readonly gradientCheckpointing: boolean },
  training: () => Promise<T>,
): Promise<T> {
  try {
    return await training();
  } catch (error) {
    if (!isOutOfMemory(error)) throw error;
    throw new OutOfMemory('the memory of this runner did not suffice for examples as long as these', memory);
  }
}
