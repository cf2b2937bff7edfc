/**
 * The runners there are: those that report to the database, which every API process reads, and those at fixed addresses, which are
 * asked. What is known is looked up again when somebody wants to know and it is old; there is no timer, so this runs at the edge.
 */
import type { KnownRunner } from '../../db/runners.ts';
import type { RunnerHealth } from '../../functions/generate.ts';
import { byItself, type Outlive } from '../outlive.ts';
import type { RunnerView } from './choose.ts';
import { InFlight } from './in-flight.ts';
import { hashOf } from './rendezvous.ts';

export interface MemberSources {
  /** Runners that report. */
  registered(): Promise<readonly KnownRunner[]>;
  /** Addresses of runners that do not. */
  fixed(): readonly string[];
  ask(url: string): Promise<RunnerHealth>;
  /** How many answers all API processes ask for, for one that is asked for here. */
  crowd(): number;
}

export interface Member {
  readonly url: string;
  readonly health: RunnerHealth;
  /** On this process's clock, in milliseconds. */
  readonly heardAt: number;
  readonly hash: number;
  readonly bases: ReadonlySet<string>;
  readonly adapters: ReadonlySet<string>;
}

/** Older knowledge is renewed, beside the request that found it old. */
const FRESH_MS = 1_000;
/** Older knowledge is not acted on. */
const USABLE_MS = 5_000;

export class Members {
  readonly inFlight: InFlight;
  private readonly sources: MemberSources;
  private readonly clock: () => number;
  private readonly outlive: Outlive;
  private known: { readonly at: number; readonly members: readonly Member[] } | undefined;
  private renewing: Promise<void> | undefined;
  /** When a runner failed: it is left out until it is heard of again. */
  private readonly failures = new Map<string, number>();

  constructor(
    sources: MemberSources,
    clock: () => number = () => performance.now(),
    outlive: Outlive = byItself,
  ) {
    this.outlive = outlive;
    this.sources = sources;
    this.clock = clock;
    this.inFlight = new InFlight(clock);
  }

  /** All that were heard of, draining ones and those that failed since included. */
  async all(): Promise<readonly Member[]> {
    const age = this.known ? this.clock() - this.known.at : Number.POSITIVE_INFINITY;
    if (age > USABLE_MS) await this.renewed();
    else if (age > FRESH_MS) this.outlive(this.renew().catch(() => undefined)); // tried again, and then thrown, once it is too old
    return this.known?.members ?? [];
  }

  /** Those that may be asked, with what they have to do by now. */
  async usable(): Promise<RunnerView[]> {
    return (await this.all()).filter((member) => this.isUsable(member)).map((member) => this.view(member));
  }

  failed(url: string): void {
    this.failures.set(url, this.clock());
  }

  /** Another request may have begun to look, and at the edge what it does ends with it: then this one looks itself. */
  private async renewed(): Promise<void> {
    const isOthers = this.renewing !== undefined;
    try {
      await this.renew();
    } catch (error) {
      if (!isOthers) throw error;
      await this.renew();
    }
  }

  /** Looks again, however new what is known is. */
  async renew(): Promise<void> {
    this.renewing ??= this.read().finally(() => {
      this.renewing = undefined;
    });
    await this.renewing;
  }

  private async read(): Promise<void> {
    const at = this.clock();
    const [registered, fixed] = await Promise.all([
      this.sources.registered(),
      Promise.all(this.sources.fixed().map((url) => this.asked(url))),
    ]);
    const members = new Map<string, Member>();
    for (const { url, health, silentMs } of registered)
      members.set(url, member(url, health as RunnerHealth, at - silentMs)); // checked when it was reported
    for (const one of fixed) if (one) members.set(one.url, one);
    this.known = { at, members: [...members.values()] };
  }

  private async asked(url: string): Promise<Member | undefined> {
    const heardAt = this.clock();
    const health = await this.sources.ask(url).catch(() => undefined); // away: it is asked again
    return health && member(url, health, heardAt);
  }

  private isUsable({ url, health, heardAt }: Member): boolean {
    const failedAt = this.failures.get(url);
    if (failedAt !== undefined && failedAt < heardAt) this.failures.delete(url);
    return health.status === 'ok' && !(failedAt !== undefined && failedAt >= heardAt);
  }

  private view({ url, hash, health, heardAt, bases, adapters }: Member): RunnerView {
    const { slots, maxWaiting, baseBytes, running, waiting, answerSeconds } = health;
    const loads = this.inFlight.loads(url, running + waiting, heardAt, this.sources.crowd());
    return { url, hash, slots, maxWaiting, baseBytes, ...loads, bases, adapters, answerSeconds };
  }
}

function member(url: string, health: RunnerHealth, heardAt: number): Member {
  const bases = new Set(health.bases.map(({ digest }) => digest));
  return { url, hash: hashOf(url), health, heardAt, bases, adapters: new Set(health.adapters) };
}
