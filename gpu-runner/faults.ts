/** Why a runner refuses or fails, with a code from the contract (functions/generate.ts). */
import type { RunnerError } from '../functions/generate.ts';

export type FaultCode = RunnerError['code'];

const STATUS = {
  context_length_exceeded: 400,
  invalid_request: 400,
  template_failed: 400,
  adapter_invalid: 409,
  too_large: 413,
  base_unsupported: 422,
  busy: 429,
  fetch_failed: 502,
  checksum_mismatch: 502,
  draining: 503,
  unauthorized: 401,
  internal: 500,
} as const satisfies Record<FaultCode, number>;

export class Fault extends Error {
  override readonly name = 'Fault';
  readonly code: FaultCode;
  readonly field: string | undefined;

  /** @param cause what an operator should see, and a user should not */
  constructor(code: FaultCode, detail: string, field?: string, cause?: unknown) {
    super(detail, { cause });
    this.code = code;
    this.field = field;
  }

  get status() {
    return STATUS[this.code];
  }
}

/** A fault on its way from one thread to another. `stack` is for the operator's log. */
export interface Failure {
  readonly code: FaultCode;
  readonly detail: string;
  readonly field?: string | undefined;
  readonly stack?: string;
}

export function failureOf(error: unknown): Failure {
  if (error instanceof Fault) return { code: error.code, detail: error.message, field: error.field };
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { code: 'internal', detail: 'the runner failed', stack };
}

export function faultOf({ code, detail, field, stack }: Failure): Fault {
  return new Fault(code, detail, field, stack);
}
