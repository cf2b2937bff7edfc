/**
 * Which runner gets a request: a function of what is known of the fleet and of what is asked for, and of nothing else. The
 * simulator (bench/fleet) decides by the same one.
 *
 * Those that have the base in memory come before the others. Among them a request goes to one of those that have its adapter, and
 * else to the runner that the adapter prefers by rendezvous hashing, so that each adapter is in few memories. No runner takes much more than
 * its share: above BOUND times the mean load the next one in the adapter's order comes in (Mirrokni, Thorup and Zadimoghaddam
 * 2018, Consistent Hashing with Bounded Loads).
 */
import { shortDigest } from '../../functions/generate.ts';
import { affinity, hashOf } from './rendezvous.ts';

export interface RunnerView {
  readonly url: string;
  /** `hashOf(url)`: with a thousand runners it is worth having once. */
  readonly hash: number;
  /** Answers decoded together, and those that may wait for it. */
  readonly slots: number;
  readonly maxWaiting: number;
  /** Bytes of weights that it may keep. */
  readonly baseBytes: number;
  /** Answers that it runs and that wait there, as far as this process knows. */
  readonly known: number;
  /** The same with what others are supposed to have sent there since: by this runners are compared. */
  readonly load: number;
  /** Digests. */
  readonly bases: ReadonlySet<string>;
  /** Short digests. */
  readonly adapters: ReadonlySet<string>;
  /** How long an answer has a slot; null: not known. */
  readonly answerSeconds: number | null;
}

export interface Need {
  readonly requestId: string;
  /** Digest. */
  readonly base: string;
  /** Of the base's weights. */
  readonly baseBytes: number;
  /** Digests. */
  readonly adapters: readonly string[];
  readonly answers: number;
}

export type Choice =
  | {
      readonly kind: 'send';
      readonly url: string;
      /** Whether the runner has to load the base first. */
      readonly isCold: boolean;
      /** A runner that should load the base as well: those that have it cannot keep up. */
      readonly preload: string | undefined;
    }
  | { readonly kind: 'full'; readonly retryAfterSeconds: number }
  /** Nobody has the base, and nobody could load it. */
  | { readonly kind: 'none' };

/** A runner's load over its share of all loads: the less, the more evenly; the more, the fewer adapters move. */
const BOUND = 1.25;
/** Below this share of its slots a runner is never too loaded to be asked: there is no queue, and rows share a step. */
const FREE_SHARE = 0.25;
/** A runner below this share of its slots may be given another base to load. */
const IDLE_SHARE = 0.5;
/** An answer takes this long where none has ended yet. */
const UNKNOWN_SECONDS = 2;
const MAX_RETRY_SECONDS = 60;

/** Nobody is turned away for what others are only supposed to have sent: a runner that is full says so. */
const room = ({ slots, maxWaiting, known }: RunnerView): number => slots + maxWaiting - known;
const relative = ({ load, slots }: RunnerView): number => load / slots;

export function choose(runners: readonly RunnerView[], need: Need): Choice {
  const warm = runners.filter(({ bases }) => bases.has(need.base));
  const target = mostFitting(warm, need);
  if (target) {
    const preload = isOverloaded(warm) ? nextForBase(runners, need, IDLE_SHARE) : undefined;
    return { kind: 'send', url: target.url, isCold: false, preload: preload?.url };
  }
  const cold = nextForBase(runners, need, Number.POSITIVE_INFINITY);
  if (cold) return { kind: 'send', url: cold.url, isCold: true, preload: undefined };
  const able = warm.length > 0 ? warm : runners.filter(({ baseBytes }) => baseBytes >= need.baseBytes);
  if (able.length === 0) return { kind: 'none' };
  return { kind: 'full', retryAfterSeconds: secondsUntilRoom(able) };
}

/** The most answers that one request can ask for: of what a runner that has nothing to do would take. */
export function mostAnswers(runners: readonly RunnerView[], { base, baseBytes }: Need): number {
  return runners.reduce((most, runner) => {
    const isAble = runner.bases.has(base) || runner.baseBytes >= baseBytes;
    return isAble ? Math.max(most, runner.slots + runner.maxWaiting) : most;
  }, 0);
}

/** Of runners that have the base. */
function mostFitting(
  warm: readonly RunnerView[],
  { adapters, answers, requestId }: Need,
): RunnerView | undefined {
  const open = warm.filter((runner) => room(runner) >= answers);
  const any = hashOf(requestId);
  if (adapters.length === 0) return lessLoadedOfTwo(open, any);
  const load = warm.reduce((sum, runner) => sum + runner.load, answers);
  const slots = warm.reduce((sum, runner) => sum + runner.slots, 0);
  const limit = (runner: RunnerView) =>
    Math.max(Math.ceil((BOUND * load * runner.slots) / slots), Math.ceil(FREE_SHARE * runner.slots));
  const within = open.filter((runner) => runner.load + answers <= limit(runner));
  if (within.length === 0) return lessLoadedOfTwo(open, any);
  const wanted = adapters.map(shortDigest);
  const having = within.filter((runner) => wanted.every((digest) => runner.adapters.has(digest)));
  if (having.length > 0) return lessLoadedOfTwo(having, any);
  return first(within, hashOf([...wanted].sort().join()));
}

/**
 * Two at random, and of them the one with less to do. What several APIs know of loads is a little old: if all chose the one that
 * looks best, all would choose the same one until the next report (Mitzenmacher 2000, How Useful Is Old Information?).
 */
function lessLoadedOfTwo(runners: readonly RunnerView[], key: number): RunnerView | undefined {
  const one = first(runners, key);
  const other = first(
    runners.filter((runner) => runner !== one),
    key,
  );
  return one && other && relative(other) < relative(one) ? other : one;
}

/** The runner that should load the base: whatever has least in memory, and always the same for all who ask at once. */
function nextForBase(runners: readonly RunnerView[], need: Need, busiest: number): RunnerView | undefined {
  const able = runners.filter(
    (runner) =>
      !runner.bases.has(need.base) &&
      runner.baseBytes >= need.baseBytes &&
      room(runner) >= need.answers &&
      relative(runner) < busiest,
  );
  return first(able, hashOf(need.base), ({ bases }) => -bases.size);
}

/** The best by rank, then in the key's own order. */
function first(
  runners: readonly RunnerView[],
  keyHash: number,
  rank: (runner: RunnerView) => number = () => 0,
): RunnerView | undefined {
  let best: RunnerView | undefined;
  let [bestRank, bestAffinity] = [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const runner of runners) {
    const own = rank(runner);
    if (own < bestRank) continue;
    const liking = affinity(keyHash, runner.hash, runner.slots);
    if (own > bestRank || liking > bestAffinity) [best, bestRank, bestAffinity] = [runner, own, liking];
  }
  return best;
}

function isOverloaded(warm: readonly RunnerView[]): boolean {
  return warm.every(({ load, slots }) => load >= slots);
}

/** For those who wait to get a slot: by then there is room in the queue again. */
export function secondsUntilRoom(runners: readonly RunnerView[]): number {
  const waiting = runners.reduce((sum, { load, slots }) => sum + Math.max(0, load - slots), 0);
  const perSecond = runners.reduce(
    (sum, { slots, answerSeconds }) => sum + slots / (answerSeconds ?? UNKNOWN_SECONDS),
    0,
  );
  if (perSecond === 0) return 1;
  return Math.min(MAX_RETRY_SECONDS, Math.max(1, Math.ceil(waiting / perSecond)));
}
