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
