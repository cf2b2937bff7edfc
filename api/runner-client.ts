/** Talks to a runner over HTTP: the other end of functions/generate.ts. */
import {
  type AnswerEvent,
  BaseSource,
  GenerateEvent,
  type GenerateRequest,
  RunnerError,
  RunnerHealth,
  STALLED_MS,
} from '../functions/generate.ts';
import { WARM_PATH } from '../functions/warm.ts';
import { traceHeaders } from '../observe/trace.ts';
import { ApiError, type ApiErrorCode } from './errors.ts';

export interface RunnerEndpoint {
  readonly url: string;
  readonly token: string;
}

/** Why a runner gave no answer, in its own words: by them it is decided whether another one is asked. */
export type RunnerReason = RunnerError['code'] | 'unreachable' | 'stopped';

export class RunnerFailure extends ApiError {
  readonly reason: RunnerReason;

  constructor(
    reason: RunnerReason,
    detail: string,
    more: { field?: string; retryAfterSeconds?: number } = {},
  ) {
    super(CODE[reason], detail, more);
    this.reason = reason;
  }
}

export interface RunnerClient {
  /**
   * Events of one request, in order. Ending the iteration early, or aborting, frees the runner.
   * @returns once the runner has accepted it. @throws ApiError, also in the middle of the answer
   */
  generate(request: GenerateRequest, signal: AbortSignal): Promise<AsyncGenerator<AnswerEvent>>;
  loadBase(base: BaseSource): Promise<void>;
  health(): Promise<RunnerHealth>;
}

/** What a runner's refusal is to a client of the API. */
const CODE: Readonly<Record<RunnerReason, ApiErrorCode>> = {
  context_length_exceeded: 'context_length_exceeded',
  invalid_request: 'invalid_request',
  template_failed: 'template_failed',
  too_large: 'too_large',
  adapter_invalid: 'refused', // another try would find the same file
  busy: 'busy',
  draining: 'unavailable',
  base_unsupported: 'unavailable',
  fetch_failed: 'unavailable',
  checksum_mismatch: 'unavailable',
  unauthorized: 'internal',
  internal: 'internal',
  unreachable: 'unavailable',
  stopped: 'unavailable',
};

export const STOPPED = 'The runner stopped in the middle of the answer.';
const SILENT = 'The runner fell silent.';
/** As in the middle of an upgrade. It would answer with any text. */
const TOO_OLD = 'The runner is of a release that does not know response_format; try again in a moment.';
/** Longer than any event: a line that does not end is not ours. */
const MAX_LINE = 4 * 2 ** 20;
const ATTEMPTS = 2;
const PATIENCE_PARTS = 3;
/** A runner says at once how it does, or is none to be counted on. */
const HEALTH_TIMEOUT_MS = 2_000;

/** @param endpoint where the runner is now; a restarted one listens elsewhere */
export function createRunnerClient(endpoint: () => RunnerEndpoint | undefined): RunnerClient {
  const send = async (path: string, init: RequestInit): Promise<Response> => {
    const runner = endpoint();
    if (!runner)
      throw new RunnerFailure('unreachable', 'The runner is starting; try again in a moment.', {
        retryAfterSeconds: 2,
      });
    const headers = {
      authorization: `Bearer ${runner.token}`,
      'content-type': 'application/json',
      ...traceHeaders(),
    };
    const response = await reach(() => fetch(`${runner.url}${path}`, { ...init, headers }), init.signal);
    if (!response.ok) throw await refusal(response);
    return response;
  };

  return {
    async generate(request, signal) {
      const patience = new Patience(signal);
      const asked = { method: 'POST', body: JSON.stringify(request), signal: patience.signal };
      const response = await patience.during(send('/generate', asked));
      if (!response.body) throw new ApiError('internal', 'The runner answered nothing.');
      const all = events(response.body, patience);
      const first = await all.next();
      if (first.done) throw new RunnerFailure('stopped', STOPPED, { retryAfterSeconds: 2 });
      if (request.schema && first.value.type === 'start' && !first.value.schema) {
        await all.return(undefined);
        throw new RunnerFailure('base_unsupported', TOO_OLD, { retryAfterSeconds: 10 });
      }
      return beginning(first.value, all);
    },
    async loadBase(base) {
      await send(WARM_PATH, { method: 'POST', body: JSON.stringify(BaseSource.parse(base)) });
    },
    async health() {
      return RunnerHealth.parse(
        await (await send('/health', { signal: AbortSignal.timeout(HEALTH_TIMEOUT_MS) })).json(),
      );
    },
  };
}

/** A runner is not asked more often than this what it has loaded, whoever wants to know. */
const LOADED_MS = 5_000;

/** Ids of the bases that a runner has in memory; none while it does not answer. */
export function loadedBases(runner: RunnerClient): () => Promise<readonly string[]> {
  let known: { at: number; bases: Promise<readonly string[]> } | undefined;
  return () => {
    if (!known || Date.now() - known.at > LOADED_MS) {
      const ids = runner.health().then(({ bases }) => bases.map(({ id }) => id));
      known = { at: Date.now(), bases: ids.catch(() => []) };
    }
    return known.bases;
  };
}

/**
 * A connection kept open may be closed by the runner in the moment in which it is used again, before anything was answered.
 * What is asked of a runner changes nothing there, so it is asked a second time.
 */
async function reach(
  ask: () => Promise<Response>,
  signal: AbortSignal | null | undefined,
): Promise<Response> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await ask();
    } catch {
      signal?.throwIfAborted();
      if (attempt < ATTEMPTS) continue;
      throw new RunnerFailure('unreachable', 'The runner cannot be reached; try again in a moment.', {
        retryAfterSeconds: 2,
      });
    }
  }
}

async function refusal(response: Response): Promise<RunnerFailure> {
  const checked = RunnerError.safeParse(await response.json().catch(() => undefined));
  if (!checked.success) return new RunnerFailure('internal', `The runner answered ${response.status}.`);
  const retryAfter = Number(response.headers.get('retry-after'));
  return failureOf(checked.data, retryAfter > 0 ? { retryAfterSeconds: retryAfter } : {});
}

/** What a runner says of itself, as a status or as an event of its answer. */
function failureOf(
  { code, detail, field }: { code: string; detail: string; field?: string | undefined },
  more: { retryAfterSeconds?: number } = {},
): RunnerFailure {
  const known = RunnerError.shape.code.safeParse(code);
  return new RunnerFailure(known.data ?? 'internal', detail, {
    ...(field === undefined ? {} : { field }),
    ...more,
  });
}

/**
 * How long a runner may be silent while something is awaited of it: one whose machine died says nothing, and neither does its
 * connection. What nobody waits for, because the client reads slowly, is no silence.
 */
class Patience {
  readonly signal: AbortSignal;
  private readonly over = new AbortController();
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(signal: AbortSignal) {
    this.signal = AbortSignal.any([signal, this.over.signal]);
  }

  /** Part by part: when this process itself was stopped for a while, it hears what has arrived before the next one is over. */
  begin(parts = PATIENCE_PARTS): void {
    this.timer = setTimeout(() => {
      if (parts > 1) this.begin(parts - 1);
      else this.over.abort(new RunnerFailure('stopped', SILENT, { retryAfterSeconds: 2 }));
    }, STALLED_MS / PATIENCE_PARTS);
  }

  end(): void {
    clearTimeout(this.timer);
  }

  async during<T>(wait: Promise<T>): Promise<T> {
    this.begin();
    try {
      return await wait;
    } finally {
      this.end();
    }
  }
}

async function* beginning(
  first: AnswerEvent,
  rest: AsyncGenerator<AnswerEvent>,
): AsyncGenerator<AnswerEvent> {
  yield first;
  yield* rest;
}

async function* events(body: ReadableStream<Uint8Array>, patience: Patience): AsyncGenerator<AnswerEvent> {
  let rest = '';
  try {
    patience.begin();
    for await (const chunk of body.pipeThrough(
      new TextDecoderStream() as TransformStream<Uint8Array, string>,
    )) {
      patience.end();
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      if (rest.length > MAX_LINE) throw new ApiError('internal', 'The runner sent a line without end.');
      for (const line of lines) if (line) yield parsed(line);
      patience.begin();
    }
  } catch (error) {
    patience.signal.throwIfAborted();
    if (error instanceof ApiError) throw error;
    throw new RunnerFailure('stopped', STOPPED, { retryAfterSeconds: 2 });
  } finally {
    patience.end();
  }
}

/** @throws RunnerFailure where it says that the answer is none */
function parsed(line: string): AnswerEvent {
  const event = GenerateEvent.parse(JSON.parse(line));
  if (event.type === 'error') throw failureOf(event);
  return event;
}
