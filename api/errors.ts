/**
 * What can go wrong, as the core says it: a code from a closed list. Each protocol's face renders it in its own shape;
 * only this table knows which HTTP status a code has.
 */
import { HTTPException } from 'hono/http-exception';
import { AdapterError, AdapterProblems, problemsOf } from '../adapter/error.ts';
import { isAway } from './away.ts';

const CODES = {
  invalid_request: { status: 400, title: 'The request is malformed' },
  context_length_exceeded: { status: 400, title: 'The prompt is too long' },
  unsupported_parameter: { status: 400, title: 'A parameter is not supported' },
  template_failed: { status: 400, title: 'The chat template refused the messages' },
  unauthorized: { status: 401, title: 'No valid key' },
  forbidden: { status: 403, title: 'The key may not do this' },
  insufficient_scope: { status: 403, title: 'The key lacks a scope' },
  not_found: { status: 404, title: 'Not found' },
  model_not_found: { status: 404, title: 'No such model' },
  conflict: { status: 409, title: 'In conflict with what is there' },
  lease_over: { status: 409, title: 'The lease is over' },
  gone: { status: 410, title: 'No longer there' },
  too_large: { status: 413, title: 'Too large' },
  refused: { status: 422, title: 'The files were refused' },
  busy: { status: 429, title: 'Busy' },
  rate_limited: { status: 429, title: 'Too many requests' },
  insufficient_quota: { status: 429, title: 'The spending cap is reached' },
  internal: { status: 500, title: 'Something failed on our side' },
  unavailable: { status: 503, title: 'Not available right now' },
} as const;

export type ApiErrorCode = keyof typeof CODES;

export interface Problem {
  readonly code: string;
  readonly detail: string;
  readonly field?: string | undefined;
}

export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly code: ApiErrorCode;
  /** The field, parameter or file that is wrong. */
  readonly field: string | undefined;
  readonly problems: readonly Problem[];
  readonly retryAfterSeconds: number | undefined;

  constructor(
    code: ApiErrorCode,
    detail: string,
    more: { field?: string; problems?: readonly Problem[]; retryAfterSeconds?: number } = {},
  ) {
    super(detail);
    this.code = code;
    this.field = more.field;
    this.problems = more.problems ?? [];
    this.retryAfterSeconds = more.retryAfterSeconds;
  }

  get status() {
    return CODES[this.code].status;
  }

  get title(): string {
    return CODES[this.code].title;
  }
}

/** Refused files, with every reason at once. */
export function refused(error: unknown, file?: string): ApiError | undefined {
  if (!(error instanceof AdapterError || error instanceof AdapterProblems)) return undefined;
  const problems = problemsOf(error).map(({ code, message, field }) => ({
    code,
    detail: file ? `${file}: ${message}` : message,
    ...(field === undefined ? {} : { field }),
  }));
  return refusedFor(problems);
}

export function refusedFor(problems: readonly Problem[]): ApiError {
  const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : '';
  return new ApiError('refused', `${problems[0]?.detail ?? 'refused'}${more}`, { problems });
}

/** A database or a store that is restarted is back about then. */
const RETRY_SECONDS = 2;

/** Whatever was thrown, as an ApiError; what nobody foresaw keeps its words to itself. */
export function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  // The framework's own refusal of a body that it cannot read.
  if (error instanceof HTTPException && error.status < 500)
    return new ApiError('invalid_request', error.message);
  if (isAway(error))
    return new ApiError(
      'unavailable',
      'What this needs cannot be reached right now; try again in a moment.',
      {
        retryAfterSeconds: RETRY_SECONDS,
      },
    );
  return (
    refused(error) ??
    new ApiError('internal', 'An unexpected error occurred; the operator finds it by the request id.')
  );
}

/** RFC 9457. */
export function problemJson(error: ApiError, requestId: string) {
  return {
    type: `urn:patchbay:problem:${error.code}`,
    title: error.title,
    status: error.status,
    code: error.code,
    detail: error.message,
    ...(error.field === undefined ? {} : { field: error.field }),
    ...(error.problems.length === 0 ? {} : { problems: error.problems }),
    requestId,
  };
}
