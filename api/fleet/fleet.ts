/**
 * All runners as one: who asks here is answered by whichever runner fits (choose.ts). As long as nothing of an answer was seen,
 * a runner that fails is replaced by another one. Nothing is asked of two at once, and what has begun is never begun again.
 */
import type { AnswerEvent, BaseSource, GenerateRequest, RunnerHealth } from '../../functions/generate.ts';
import { ApiError } from '../errors.ts';
import { byItself, type Outlive } from '../outlive.ts';
import {
  createRunnerClient,
  type RunnerClient,
  RunnerFailure,
  type RunnerReason,
  STOPPED,
} from '../runner-client.ts';
import { choose, mostAnswers, type Need, type RunnerView, secondsUntilRoom } from './choose.ts';
import { type Member, type MemberSources, Members } from './members.ts';

export interface FleetOptions extends Pick<MemberSources, 'registered' | 'fixed'> {
  /** What the API and runners show each other. */
  readonly token: string;
  /** How long a request waits for a runner that can take it, where none is there. */
  readonly coldStartMs: number;
  /** Told of every request: what the number of runners is decided by. */
  readonly asked: (baseId: string, answers: number) => void;
  /** How many answers all API processes ask for, for one that is asked for here; absent: this is the only one. */
  readonly crowd?: () => number;
  /** Aborted when this server begins to stop: whoever waits for a runner then is to ask the next one, to which runners report. */
  readonly stopping?: AbortSignal | undefined;
  readonly clock?: () => number;
  readonly outlive?: Outlive;
}

export interface Fleet extends RunnerClient {
  /** Every runner that was heard of, and what it said. */
  members(): Promise<readonly Member[]>;
}

/** With these another runner may do better; with the others none will. */
const ELSEWHERE: ReadonlySet<RunnerReason> = new Set([
  'unreachable',
  'stopped',
  'draining',
  'busy',
  'fetch_failed',
  'checksum_mismatch',
  'base_unsupported',
  'unauthorized',
  'internal',
]);
/** After these a runner is left alone until it is heard of again. */
const OUT: ReadonlySet<RunnerReason> = new Set(['unreachable', 'stopped', 'draining']);
/** A request that is refused everywhere would be carried to every runner. */
const MAX_RUNNERS = 3;
/** A request that ends the runner that serves it must not end them all. */
const MAX_STOPPED = 2;
/** How often it is looked whether a runner came. */
const LOOK_MS = 250;
/** For when the client should come back that no runner was there for. */
const NOBODY_SECONDS = 10;

/** One runner's answer, which has been accepted. */
interface Attempt {
  readonly url: string;
  readonly events: AsyncGenerator<AnswerEvent>;
  over(): void;
}

/** A request on its way, and what became of it so far. */
interface Trail {
  readonly request: GenerateRequest;
  readonly need: Need;
  readonly signal: AbortSignal;
  /** Runners that failed. */
  readonly tried: Set<string>;
  stopped: number;
  failure: RunnerFailure | undefined;
  /** How often it was looked for runners beyond those that were known. */
  looks: number;
}

export function createFleet(options: FleetOptions): Fleet {
  const {
    token,
    registered,
    fixed,
    coldStartMs,
    asked,
    crowd = () => 1,
    stopping,
    clock = () => performance.now(),
    outlive = byItself,
  } = options;
  const clients = new Map<string, RunnerClient>();
  const clientOf = (url: string): RunnerClient => {
    const client = clients.get(url) ?? createRunnerClient(() => ({ url, token }));
    clients.set(url, client);
    return client;
  };
  const members = new Members(
    { registered, fixed, crowd, ask: (url) => clientOf(url).health() },
    clock,
    outlive,
  );
  const preloading = new Set<string>();

  /** Not waited for: the request is served by another one. A runner that cannot is found out when it is chosen. */
  const preload = (base: BaseSource, url: string): void => {
    if (preloading.has(base.digest)) return;
    preloading.add(base.digest);
    outlive(
      clientOf(url)
        .loadBase(base)
        .catch(() => undefined)
        .finally(() => preloading.delete(base.digest)),
    );
  };

  /** Notes that a runner failed. @throws the failure, where no other runner is to be asked */
  const note = (trail: Trail, url: string, error: unknown): void => {
    if (trail.signal.aborted || !(error instanceof RunnerFailure)) throw error;
    if (OUT.has(error.reason)) members.failed(url);
    if (error.reason === 'stopped') trail.stopped++;
    if (!ELSEWHERE.has(error.reason) || trail.stopped === MAX_STOPPED) throw error;
    trail.tried.add(url);
    trail.failure = error;
  };

  /** @returns undefined: another one is to be asked. @throws ApiError */
  const ask = async (trail: Trail, url: string): Promise<Attempt | undefined> => {
    const { request, signal } = trail;
    const over = members.inFlight.begin(url, request.n);
    signal.addEventListener('abort', over, { once: true });
    try {
      return { url, over, events: await clientOf(url).generate(request, signal) };
    } catch (error) {
      over();
      note(trail, url, error);
      return undefined;
    }
  };

  /** Waits for a runner to come, where it is runners that are missing. @throws ApiError */
  const awaitRunner = async (trail: Trail, until: number): Promise<void> => {
    const { failure, request, signal, tried } = trail;
    if (failure?.reason === 'busy') throw busy(secondsUntilRoom(await members.usable()));
    if (failure && !OUT.has(failure.reason)) throw failure;
    if (trail.looks > 0) {
      if (clock() >= until || stopping?.aborted)
        throw failure ?? nobody(request.base.id, trail.need, await members.usable());
      await pause(LOOK_MS, signal);
    }
    trail.looks++;
    await members.renew();
    tried.clear();
  };

  /** @returns the answer of the first runner that accepts. @throws ApiError */
  const open = async (trail: Trail): Promise<Attempt> => {
    const until = clock() + coldStartMs;
    for (;;) {
      const usable = await members.usable();
      const choice = choose(
        usable.filter(({ url }) => !trail.tried.has(url)),
        trail.need,
      );
      if (choice.kind === 'full')
        throw full(trail.need, mostAnswers(usable, trail.need), choice.retryAfterSeconds);
      if (choice.kind === 'none' || trail.tried.size === MAX_RUNNERS) {
        await awaitRunner(trail, until);
        continue;
      }
      if (choice.preload) preload(trail.request.base, choice.preload);
      const attempt = await ask(trail, choice.url);
      if (attempt) return attempt;
    }
  };

  async function* follow(trail: Trail, first: Attempt): AsyncGenerator<AnswerEvent> {
    let attempt = first;
    let [hasStarted, hasShown] = [false, false];
    let unfinished = trail.request.n;
    for (;;) {
      try {
        for await (const event of attempt.events) {
          if (event.type === 'start') {
            if (hasStarted) continue; // of the one that came in for another
            hasStarted = true;
          } else hasShown = true;
          if (event.type === 'finish') unfinished--;
          yield event;
        }
        if (unfinished > 0) throw new RunnerFailure('stopped', STOPPED, { retryAfterSeconds: 2 });
        return;
      } catch (error) {
        note(trail, attempt.url, error);
        if (hasShown) throw error;
      } finally {
        attempt.over();
      }
      attempt = await open(trail);
    }
  }

  return {
    async generate(request, signal) {
      asked(request.base.id, request.n);
      const trail = {
        request,
        need: needOf(request),
        signal,
        tried: new Set<string>(),
        stopped: 0,
        failure: undefined,
        looks: 0,
      };
      return follow(trail, await open(trail));
    },

    /** Onto every runner at a fixed address: those that report load what they are asked for. */
    async loadBase(base) {
      const loads = await Promise.allSettled(fixed().map((url) => clientOf(url).loadBase(base)));
      const failed = loads.find(({ status }) => status === 'rejected');
      if (failed && loads.every(({ status }) => status === 'rejected'))
        throw (failed as PromiseRejectedResult).reason;
    },

    async health() {
      const all = await members.all();
      if (all.length === 0) throw new ApiError('unavailable', 'No runner can be reached.');
      return together(all.map(({ health }) => health));
    },

    members: () => members.all(),
  };
}

function needOf({ requestId, base, adapters, n }: GenerateRequest): Need {
  return {
    requestId,
    base: base.digest,
    baseBytes: base.files.reduce(
      (sum, { path, size }) => sum + (path.endsWith('.safetensors') ? size : 0),
      0,
    ),
    adapters: adapters.map(({ digest }) => digest),
    answers: n,
  };
}

/** A whole fleet's health in the shape of one runner's. */
function together(all: readonly RunnerHealth[]): RunnerHealth {
  const sum = (of: (health: RunnerHealth) => number) => all.reduce((total, health) => total + of(health), 0);
  const seconds = all.flatMap(({ answerSeconds }) => answerSeconds ?? []);
  return {
    status: all.some(({ status }) => status === 'ok') ? 'ok' : 'draining',
    provider: [...new Set(all.map(({ provider }) => provider))].join(', '),
    baseBytes: sum(({ baseBytes }) => baseBytes),
    slots: sum(({ slots }) => slots),
    maxWaiting: sum(({ maxWaiting }) => maxWaiting),
    bases: [...new Map(all.flatMap(({ bases }) => bases.map((base) => [base.digest, base]))).values()],
    running: sum(({ running }) => running),
    waiting: sum(({ waiting }) => waiting),
    adaptersInMemory: sum(({ adaptersInMemory }) => adaptersInMemory),
    adapters: [],
    answerSeconds: seconds.length > 0 ? Math.max(...seconds) : null,
  };
}

/** @param most that any runner could take: who asks for more would be told to come back for ever */
function full({ answers }: Need, most: number, retryAfterSeconds: number): ApiError {
  if (answers <= most) return busy(retryAfterSeconds);
  return new ApiError(
    'invalid_request',
    `n is ${answers}; a runner here makes at most ${most} answers at a time. Ask for fewer, several times.`,
    { field: 'n' },
  );
}

function busy(retryAfterSeconds: number): ApiError {
  return new ApiError('busy', `All runners are busy; try again in ${retryAfterSeconds} seconds.`, {
    retryAfterSeconds,
  });
}

function nobody(base: string, { baseBytes }: Need, usable: readonly RunnerView[]): ApiError {
  const largest = Math.max(0, ...usable.map((runner) => runner.baseBytes));
  const why =
    usable.length === 0 || largest >= baseBytes
      ? `No runner can serve ${base} now; try again in ${NOBODY_SECONDS} seconds.`
      : `No runner has room for ${base}: its weights have ${baseBytes} bytes, and the largest keeps ${largest} (PATCHBAY_RUNNER_BASE_BYTES).`;
  return new ApiError('unavailable', why, { retryAfterSeconds: NOBODY_SECONDS });
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const gone = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', gone);
      resolve();
    }, ms);
    signal.addEventListener('abort', gone, { once: true });
  });
}
