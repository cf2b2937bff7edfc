/**
 * A fleet in virtual time: requests are sent where api/fleet/choose.ts says and runners are as many as functions/desired.ts says, by
 * APIs that know of a runner's load what it last reported and what they themselves have sent since, times as many as they are (api/fleet/in-flight.ts). Events are what happens; the
 * same arrivals give the same run.
 */
import { choose, type RunnerView } from '../../api/fleet/choose.ts';
import { desiredRunners, runnersOf, type ScaleState } from '../../functions/desired.ts';
import { EventQueue } from './event-queue.ts';
import type { ServiceTimes } from './service-times.ts';
import { type Ran, type RunnerShape, type SimulatedRequest, SimulatedRunner } from './simulated-runner.ts';

export interface Scenario {
  readonly runners: number;
  readonly shape: RunnerShape;
  readonly times: ServiceTimes;
  /** API processes; requests come to them in turn. */
  readonly apis: number;
  /** Between two reports of a runner. */
  readonly reportMs: number;
  /** In the order of time. */
  readonly requests: Iterable<SimulatedRequest>;
  /** Absent: the number of runners stays. */
  readonly scaling?: { readonly coldStartMs: number; readonly most: number };
  /** What is asked for before counts for nothing: memories fill. */
  readonly warmUpMs?: number;
  /** Where requests go; absent: as the API decides. For comparison. */
  readonly adapterBlind?: boolean;
}

export interface Outcome {
  /** Milliseconds from when it was asked first. */
  readonly firstMs: readonly number[];
  readonly lastMs: readonly number[];
  /** Answers whose adapter was in memory where they went. */
  readonly warm: number;
  readonly cold: number;
  /** Refusals with 429, after which the client came back. */
  readonly refused: number;
  readonly tokens: number;
  /** Until the last answer. */
  readonly endMs: number;
  /** Of all runners: there, and with something to do. */
  readonly runnerMs: number;
  readonly busyMs: number;
  /** Runners there were, once a minute. */
  readonly fleet: readonly { readonly atMs: number; readonly runners: number; readonly desired: number }[];
}

const BASE = 'b'.repeat(64);
const BASES: ReadonlySet<string> = new Set([BASE]);
const SCALE_MS = 10_000;
const SAMPLE_MS = 60_000;
/** How much a new answer counts in the mean of what they take. */
const NEWEST_SHARE = 0.1;

type Happening =
  | { readonly kind: 'arrival'; readonly request: SimulatedRequest; readonly isNew: boolean }
  | { readonly kind: 'queue'; readonly to: Known; readonly request: SimulatedRequest }
  | { readonly kind: 'turn'; readonly of: Known; readonly version: number }
  | { readonly kind: 'report' | 'scale' | 'sample' | 'runner' };

/** A runner, and what each API believes it has to do. */
interface Known {
  readonly runner: SimulatedRunner;
  readonly since: number;
  readonly views: (RunnerView & { known: number; load: number; answerSeconds: number | null })[];
}

export function simulate(scenario: Scenario): Outcome {
  return new Simulation(scenario).run();
}

class Simulation {
  private readonly scenario: Scenario;
  private readonly queue = new EventQueue<Happening>();
  private readonly arrivals: Iterator<SimulatedRequest>;
  private fleet: Known[] = [];
  private readonly byUrl = new Map<string, Known>();
  /** By API; made anew when runners come or go. */
  private open: (readonly RunnerView[])[] | undefined;
  private now = 0;
  private starting = 0;
  private made = 0;
  private pending = 0;
  private asked = 0;
  private state: ScaleState | null = null;
  private lastAskedAt = 0;
  private answerSeconds: number | null = null;
  private isOver = false;
  private readonly sentBy = new Map<SimulatedRequest, { to: Known; api: number; at: number }>();
  private reportedAt = 0;
  private readonly out = {
    firstMs: [] as number[],
    lastMs: [] as number[],
    warm: 0,
    cold: 0,
    refused: 0,
    tokens: 0,
    endMs: 0,
    runnerMs: 0,
    busyMs: 0,
    fleet: [] as { atMs: number; runners: number; desired: number }[],
  };

  constructor(scenario: Scenario) {
    this.scenario = scenario;
    this.arrivals = scenario.requests[Symbol.iterator]();
    for (let i = 0; i < scenario.runners; i++) this.addRunner();
  }

  run(): Outcome {
    this.nextArrival();
    this.queue.put(this.scenario.reportMs, { kind: 'report' });
    if (this.scenario.scaling) this.queue.put(0, { kind: 'scale' });
    this.queue.put(0, { kind: 'sample' });
    for (let next = this.queue.take(); next; next = this.queue.take()) {
      this.now = next.at;
      this.happen(next.what);
      if (this.isOver && this.pending === 0) break;
    }
    for (const known of this.fleet) this.leave(known);
    return this.out;
  }

  private happen(what: Happening): void {
    if (what.kind === 'arrival') this.arrive(what.request, what.isNew);
    else if (what.kind === 'queue') what.to.runner.enqueue(what.request, this.now);
    else if (what.kind === 'turn') what.of.runner.turnEnds(what.version, this.now);
    else if (what.kind === 'report') this.report();
    else if (what.kind === 'scale') this.scale();
    else if (what.kind === 'sample') this.sample();
    else {
      this.starting--;
      this.addRunner();
    }
  }

  private nextArrival(): void {
    const { value, done } = this.arrivals.next();
    if (done) this.isOver = true;
    else this.queue.put(value.at, { kind: 'arrival', request: value, isNew: true });
  }

  private arrive(request: SimulatedRequest, isNew: boolean): void {
    const { apis, times, adapterBlind } = this.scenario;
    if (isNew) {
      this.nextArrival();
      this.pending++;
      this.asked++;
      this.lastAskedAt = this.now;
    }
    const api = this.asked % apis;
    const adapters = adapterBlind || request.adapter === undefined ? [] : [request.adapter];
    const need = { requestId: `${this.asked}`, base: BASE, baseBytes: 1, adapters, answers: 1 };
    const choice = choose(this.viewsOf(api), need);
    if (choice.kind !== 'send') {
      if (this.counts(request)) this.out.refused++;
      const retrySeconds = choice.kind === 'full' ? choice.retryAfterSeconds : 1;
      this.queue.put(this.now + 1000 * retrySeconds, { kind: 'arrival', request, isNew: false });
      return;
    }
    const to = this.byUrl.get(choice.url)!;
    to.views[api]!.known++;
    to.views[api]!.load += apis;
    this.sentBy.set(request, { to, api, at: this.now });
    const loadMs = to.runner.accept(request);
    if (request.adapter !== undefined && this.counts(request)) this.out[loadMs === 0 ? 'warm' : 'cold']++;
    this.queue.put(this.now + times.overheadMs + loadMs, { kind: 'queue', to, request });
  }

  private finished({ request, admittedAt, firstAt }: Ran, at: number): void {
    const { to, api, at: sentAt } = this.sentBy.get(request)!;
    this.sentBy.delete(request);
    to.views[api]!.known--;
    to.views[api]!.load -= sentAt > this.reportedAt ? this.scenario.apis : 1;
    this.pending--;
    if (this.counts(request)) {
      this.out.firstMs.push(firstAt - request.at);
      this.out.lastMs.push(at - request.at);
      this.out.tokens += request.answerTokens;
    }
    this.out.endMs = Math.max(this.out.endMs, at);
    const seconds = (at - admittedAt) / 1000;
    this.answerSeconds ??= seconds;
    this.answerSeconds += NEWEST_SHARE * (seconds - this.answerSeconds);
    if (to.runner.isDraining && to.runner.load <= 1) this.remove(to);
  }

  private counts({ at }: SimulatedRequest): boolean {
    return at >= (this.scenario.warmUpMs ?? 0);
  }

  /** What an API knows of those that take requests. */
  private viewsOf(api: number): readonly RunnerView[] {
    this.open ??= Array.from({ length: this.scenario.apis }, (_, i) =>
      this.fleet.filter(({ runner }) => !runner.isDraining).map(({ views }) => views[i]!),
    );
    return this.open[api]!;
  }

  private report(): void {
    this.reportedAt = this.now;
    for (const { runner, views } of this.fleet)
      for (const view of views) {
        view.known = view.load = runner.load;
        view.answerSeconds = this.answerSeconds;
      }
    this.queue.put(this.now + this.scenario.reportMs, { kind: 'report' });
  }

  private scale(): void {
    const { shape, scaling } = this.scenario;
    const open = this.fleet.filter(({ runner }) => !runner.isDraining);
    this.state = desiredRunners(this.state, {
      atSeconds: this.now / 1000,
      arrivals: this.asked,
      idleSeconds: (this.now - this.lastAskedAt) / 1000,
      waiting: open.reduce((sum, { runner }) => sum + runner.queued, 0),
      slots: open.length > 0 ? shape.slots : null,
      answerSeconds: this.answerSeconds,
    });
    const wanted = Math.min(scaling!.most, runnersOf(this.state));
    for (let i = open.length + this.starting; i < wanted; i++) {
      this.starting++;
      this.queue.put(this.now + scaling!.coldStartMs, { kind: 'runner' });
    }
    const tooMany = open
      .sort((a, b) => a.runner.load - b.runner.load)
      .slice(0, Math.max(0, open.length - wanted));
    for (const known of tooMany) {
      known.runner.isDraining = true;
      this.open = undefined;
      if (known.runner.load === 0) this.remove(known);
    }
    this.queue.put(this.now + SCALE_MS, { kind: 'scale' });
  }

  private sample(): void {
    const desired = this.state ? runnersOf(this.state) : this.fleet.length;
    this.out.fleet.push({ atMs: this.now, runners: this.fleet.length, desired });
    this.queue.put(this.now + SAMPLE_MS, { kind: 'sample' });
  }

  private addRunner(): void {
    const { shape, times, apis } = this.scenario;
    const url = `http://runner-${this.made++}:8080`;
    const runner: SimulatedRunner = new SimulatedRunner(url, shape, times, {
      schedule: (at, version) => this.queue.put(at, { kind: 'turn', of: known, version }),
      finished: (ran, at) => this.finished(ran, at),
    });
    const views = Array.from({ length: apis }, () => ({ ...runner.view(BASES, 0, this.answerSeconds) }));
    const known: Known = { runner, since: this.now, views };
    this.fleet.push(known);
    this.byUrl.set(url, known);
    this.open = undefined;
  }

  private remove(known: Known): void {
    this.fleet = this.fleet.filter((other) => other !== known);
    this.byUrl.delete(known.runner.url);
    this.open = undefined;
    this.leave(known);
  }

  private leave({ runner, since }: Known): void {
    this.out.runnerMs += this.now - since;
    this.out.busyMs += runner.busyMs;
  }
}
