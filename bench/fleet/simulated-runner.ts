/**
 * A runner as gpu-runner/serve/scheduler.ts makes it behave: answers join between steps; each turn does a chunk of the first prompt
 * that is not read yet, then a step for all. Where nothing changes, many steps are one event.
 */
import type { RunnerView } from '../../api/fleet/choose.ts';
import { hashOf } from '../../api/fleet/rendezvous.ts';
import { shortDigest } from '../../functions/generate.ts';
import { CHUNK_TOKENS } from '../../gpu-runner/serve/stepper.ts';
import { decodeMs, prefillMs, type ServiceTimes } from './service-times.ts';

export interface SimulatedRequest {
  /** When it was asked first. */
  readonly at: number;
  /** Digest; undefined: the base alone. */
  readonly adapter: string | undefined;
  readonly promptTokens: number;
  readonly answerTokens: number;
}

export interface Ran {
  readonly request: SimulatedRequest;
  promptLeft: number;
  tokensLeft: number;
  /** When it got its place, and its first token. */
  admittedAt: number;
  firstAt: number;
}

export interface RunnerShape {
  readonly slots: number;
  readonly maxWaiting: number;
  /** Adapters that its memory holds. */
  readonly adapters: number;
}

/** What is going on between two events. */
interface Turn {
  readonly from: number;
  readonly stepMs: number;
  steps: number;
  /** Whose prompt is read before the step, and how many tokens of it. */
  readonly reading: Ran | undefined;
  readonly chunk: number;
}

export interface RunnerEvents {
  /** Calls `runner.turnEnds(version)` at that time. */
  schedule(at: number, version: number): void;
  finished(ran: Ran, at: number): void;
}

export class SimulatedRunner {
  readonly url: string;
  readonly hash: number;
  readonly shape: RunnerShape;
  /** Short digests, the one used last at the end. */
  readonly resident = new Set<string>();
  isDraining = false;
  /** Milliseconds with something to do. */
  busyMs = 0;
  private readonly times: ServiceTimes;
  private readonly events: RunnerEvents;
  private readonly waiting: Ran[] = [];
  private admitted: Ran[] = [];
  /** Those whose adapter is on its way. */
  private loading = 0;
  private turn: Turn | undefined;
  private version = 0;

  constructor(url: string, shape: RunnerShape, times: ServiceTimes, events: RunnerEvents) {
    this.url = url;
    this.hash = hashOf(url);
    this.shape = shape;
    this.times = times;
    this.events = events;
  }

  get load(): number {
    return this.loading + this.waiting.length + this.admitted.length;
  }

  get queued(): number {
    return this.loading + this.waiting.length;
  }

  view(base: ReadonlySet<string>, load: number, answerSeconds: number | null): RunnerView {
    const { url, hash, shape, resident } = this;
    const { slots, maxWaiting } = shape;
    return {
      url,
      hash,
      slots,
      maxWaiting,
      baseBytes: 1,
      known: load,
      load,
      bases: base,
      adapters: resident,
      answerSeconds,
    };
  }

  /** @returns after how long it can wait for a place: at once where its adapter is in memory */
  accept({ adapter }: SimulatedRequest): number {
    this.loading++;
    if (adapter === undefined) return 0;
    const { resident } = this;
    const digest = shortDigest(adapter);
    const isWarm = resident.delete(digest);
    resident.add(digest);
    if (resident.size > this.shape.adapters) resident.delete(resident.values().next().value!);
    return isWarm ? 0 : this.times.adapterMs;
  }

  enqueue(request: SimulatedRequest, at: number): void {
    const { promptTokens: promptLeft, answerTokens: tokensLeft } = request;
    this.loading--;
    this.waiting.push({ request, promptLeft, tokensLeft, admittedAt: 0, firstAt: 0 });
    const { turn } = this;
    if (!turn) {
      this.begin(at);
      return;
    }
    if (turn.reading || this.admitted.length >= this.shape.slots) return;
    // Whoever comes is admitted after the step that is under way.
    const steps = Math.floor((at - turn.from) / turn.stepMs) + 1;
    if (steps >= turn.steps) return;
    turn.steps = steps;
    this.events.schedule(turn.from + steps * turn.stepMs, ++this.version);
  }

  turnEnds(version: number, at: number): void {
    if (version !== this.version || !this.turn) return;
    const { reading, chunk, steps, from } = this.turn;
    this.busyMs += at - from;
    this.turn = undefined;
    if (reading) reading.promptLeft -= chunk;
    for (const ran of this.admitted) {
      if (ran.promptLeft > 0) continue;
      ran.tokensLeft -= steps;
      if (ran.tokensLeft <= 0) this.events.finished(ran, at);
    }
    this.admitted = this.admitted.filter(({ tokensLeft }) => tokensLeft > 0);
    this.begin(at);
  }

  private begin(at: number): void {
    const { admitted, shape, times } = this;
    while (admitted.length < shape.slots && this.waiting.length > 0) {
      const ran = this.waiting.shift()!;
      ran.admittedAt = at;
      admitted.push(ran);
    }
    if (admitted.length === 0) return;
    const reading = admitted.find(({ promptLeft }) => promptLeft > 0);
    const chunk = Math.min(CHUNK_TOKENS, reading?.promptLeft ?? 0);
    const readUntil = reading ? at + prefillMs(times, chunk) : at;
    if (reading && reading.promptLeft === chunk) {
      reading.firstAt = readUntil; // the prompt's last chunk gives the first token
      reading.tokensLeft--;
      if (reading.tokensLeft === 0) {
        this.events.finished(reading, readUntil);
        this.admitted = admitted.filter((ran) => ran !== reading);
      }
    }
    const ready = this.admitted.filter(
      (ran) => ran.promptLeft === 0 || (ran === reading && ran.promptLeft === chunk),
    );
    const adapters = new Set(ready.flatMap(({ request }) => request.adapter ?? [])).size;
    const stepMs = readUntil - at + (ready.length > 0 ? decodeMs(times, ready.length, adapters) : 0);
    const shortest = ready.reduce(
      (least, { tokensLeft }) => Math.min(least, tokensLeft),
      Number.POSITIVE_INFINITY,
    );
    const steps = reading ? 1 : shortest;
    this.turn = { from: at, stepMs, steps, reading, chunk };
    this.events.schedule(at + stepMs * steps, ++this.version);
  }
}
