/**
 * How many runners a base should have: pure, so that the simulator (bench/fleet) decides as the server does.
 *
 * By Little's law, answers that arrive at a rate and take a time keep rate x time slots busy. Runners are to be busy to UTILISATION of
 * that, and whatever waits already is to be served within DRAIN_SECONDS. More runners are wanted at once; fewer only after the need
 * was lower for a while, and then as many as the highest need of that while. None once nobody has asked for IDLE_SECONDS.
 */

/** Above this, waiting times grow out of proportion (M/M/c). */
const UTILISATION = 0.7;
const DRAIN_SECONDS = 30;
/** The rate is a mean over about this long. */
const RATE_SECONDS = 60;
/** A runner with a GPU takes minutes to come: it is kept at least as long. */
const LOWER_AFTER_SECONDS = 300;
const IDLE_SECONDS = 900;
/** What is held of a runner for a base that is hardly asked for. */
const LEAST = 0.01;
/** Where no answer has ended yet. */
const UNKNOWN_SECONDS = 2;
const UNKNOWN_SLOTS = 16;

export interface Observation {
  /** On a clock that is the same every time. */
  readonly atSeconds: number;
  /** Answers asked for, ever. */
  readonly arrivals: number;
  readonly idleSeconds: number;
  /** Answers that wait at runners. */
  readonly waiting: number;
  /** Of one runner; null: none is there. */
  readonly slots: number | null;
  readonly answerSeconds: number | null;
}

/** What the next decision needs of the last one. */
export interface ScaleState {
  readonly atSeconds: number;
  readonly arrivals: number;
  /** Answers per second. */
  readonly rate: number;
  /** Runners, not rounded, that are provided for. */
  readonly held: number;
  /** Since when the need is below what is held, and its highest since; 0, 0: it is not. */
  readonly lowSince: number;
  readonly lowPeak: number;
}

export function desiredRunners(state: ScaleState | null, seen: Observation): ScaleState {
  const { atSeconds, arrivals } = seen;
  const rate = rateOf(state, seen);
  const nothing = { atSeconds, arrivals, rate: 0, held: 0, lowSince: 0, lowPeak: 0 };
  if (seen.idleSeconds >= IDLE_SECONDS) return nothing;
  const slots = seen.slots ?? UNKNOWN_SLOTS;
  const seconds = seen.answerSeconds ?? UNKNOWN_SECONDS;
  const busy = (rate * seconds) / (slots * UTILISATION);
  const backlog = (seen.waiting * seconds) / (slots * DRAIN_SECONDS);
  return { atSeconds, arrivals, rate, ...hold(state, busy + backlog, atSeconds) };
}

/** For one base alone, at least one while it is asked for. Several bases share runners: see `fleetSize`. */
export const runnersOf = ({ held }: Pick<ScaleState, 'held'>): number => Math.ceil(held);

/** What is held of a base at this moment: where ticks are minutes apart, somebody may have asked since the last one, or nobody for too long. */
export const heldNow = (state: Pick<ScaleState, 'held'> | null, idleSeconds: number): number =>
  idleSeconds >= IDLE_SECONDS ? 0 : Math.max(state?.held ?? 0, LEAST);

/** Runners for all bases together: enough for all they need, and for the weights of all that are wanted. */
export function fleetSize(
  bases: readonly { readonly held: number; readonly bytes: number }[],
  bytesOfRunner: number | null,
): number {
  const wanted = bases.filter(({ held }) => held > 0);
  if (wanted.length === 0) return 0;
  const work = wanted.reduce((sum, { held }) => sum + held, 0);
  const bytes = wanted.reduce((sum, base) => sum + base.bytes, 0);
  return Math.max(1, Math.ceil(work), bytesOfRunner ? Math.ceil(bytes / bytesOfRunner) : 1);
}

/** Exponentially weighted by the time that has passed. */
function rateOf(state: ScaleState | null, { atSeconds, arrivals }: Observation): number {
  if (!state) return 0;
  const seconds = atSeconds - state.atSeconds;
  if (seconds <= 0) return state.rate;
  const now = Math.max(0, arrivals - state.arrivals) / seconds;
  return state.rate + (1 - Math.exp(-seconds / RATE_SECONDS)) * (now - state.rate);
}

/** Somebody has asked lately, so what is held is never nothing. Parts of a runner count: bases share them, and parts add up. */
function hold(
  state: ScaleState | null,
  need: number,
  at: number,
): Pick<ScaleState, 'held' | 'lowSince' | 'lowPeak'> {
  const least = Math.max(need, LEAST);
  if (!state || least >= state.held) return { held: least, lowSince: 0, lowPeak: 0 };
  if (state.lowSince === 0) return { held: state.held, lowSince: at, lowPeak: least };
  const lowPeak = Math.max(state.lowPeak, least);
  if (at - state.lowSince < LOWER_AFTER_SECONDS)
    return { held: state.held, lowSince: state.lowSince, lowPeak };
  return { held: lowPeak, lowSince: at, lowPeak: least };
}
