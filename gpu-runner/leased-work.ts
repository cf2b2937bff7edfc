/** Takes work from the API, one piece at a time, and renews its lease while it is worked on, as long as its function may take. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Attributes, SpanKind } from '@opentelemetry/api';
import type { Logger } from 'pino';
import type { z } from 'zod';
import { type FunctionDefinition, inTime, TookTooLong } from '../functions/definition.ts';
import type { Release } from '../functions/verify.ts';
import { contextFrom, inSpan } from '../observe/trace.ts';
import { endHung } from './end-hung.ts';
import { isOwnTrouble, Rest } from './own-trouble.ts';
import { LeaseEnded, type RunnerApi, Unreachable } from './runner-api.ts';

/** How soon an idle runner asks again: somebody who publishes is waiting. */
const IDLE_MS = 500;
/** How soon one asks again that was not answered. */
const UNREACHABLE_MS = 2_000;
/** How soon one asks again that failed: at once it would get the same piece, until that is given up. */
const FAILED_MS = 2_000;
/** What was told to stop, because it took too long, has this long to. */
const STOPPING_MS = 30_000;

interface Lease {
  readonly leaseId: string;
  readonly heartbeatSeconds: number;
  readonly traceparent?: string | undefined;
}

/** How it was left, where nothing came of it. */
export type Left = 'lost' | 'given_back' | 'failed';

export interface Work<L extends Lease> {
  /** Of /api/runner, where it is asked for. */
  readonly path: 'verifications' | 'tasks';
  /** What it is asked for with. */
  readonly request: object;
  readonly lease: z.ZodType<L>;
  /** For the log, and for the trace. */
  describe(lease: L): { readonly [field: string]: string };
  /** What is asked for: its needs say how long it may take. */
  functionOf(lease: L): Pick<FunctionDefinition, 'name' | 'needs'>;
  /** Does it, and hands in what comes of it. @throws whatever goes wrong with the runner: then it is given back */
  do(lease: L, signal: AbortSignal): Promise<void>;
  left(how: Left): void;
  /** What the next heartbeat says. */
  beat(): object;
  /** Called between two pieces. */
  rest(): Promise<void>;
}

export class LeasedWork<L extends Lease> {
  private readonly work: Work<L>;
  private readonly api: RunnerApi;
  private readonly log: Logger;
  private readonly pause = new Rest();

  constructor(work: Work<L>, api: RunnerApi, log: Logger) {
    this.work = work;
    this.api = api;
    this.log = log;
  }

  /** Resolves when what it was working on is given back. */
  async run(stop: AbortSignal): Promise<void> {
    while (!stop.aborted) {
      const wait = this.pause.left === 0 ? await this.next(stop) : IDLE_MS;
      await this.work.rest();
      await sleep(wait, undefined, { signal: stop }).catch(() => undefined);
    }
  }

  /** @returns how long to wait before the next one */
  private async next(stop: AbortSignal): Promise<number> {
    try {
      const given = await this.api.post(this.work.path, this.work.request, stop);
      if (given === undefined) return IDLE_MS;
      const lease = this.work.lease.parse(given);
      const about = attributesOf(this.work.describe(lease));
      return await inSpan(this.work.path, about, () => this.hold(lease, stop), {
        parent: contextFrom(lease.traceparent),
        kind: SpanKind.CONSUMER,
      });
    } catch (error) {
      if (stop.aborted) return 0;
      this.log.error({ error: (error as Error).message }, `nothing could be asked for of ${this.work.path}`);
      return UNREACHABLE_MS;
    }
  }

  /** @returns how long to wait before the next one */
  private async hold(lease: L, stop: AbortSignal): Promise<number> {
    const log = this.log.child(this.work.describe(lease));
    log.info({ lease: lease.leaseId }, 'took it');
    const at = `${this.work.path}/${lease.leaseId}`;
    const over = new AbortController();
    const timer = setInterval(() => this.beat(at, over), lease.heartbeatSeconds * 1000);
    let work: Promise<void> | undefined;
    try {
      const definition = this.work.functionOf(lease);
      work = this.work.do(lease, AbortSignal.any([stop, over.signal]));
      await inTime(definition, work);
      this.pause.over();
      log.info('did it');
      return 0;
    } catch (error) {
      clearInterval(timer);
      const isLate = error instanceof TookTooLong;
      const isLost = !isLate && (error instanceof LeaseEnded || over.signal.aborted);
      if (isLate) over.abort(error);
      const ours = isOwnTrouble(error);
      this.work.left(isLost ? 'lost' : stop.aborted || ours ? 'given_back' : 'failed');
      if (isLost) {
        log.warn('lost it');
        return 0;
      }
      const failed = !stop.aborted && !ours;
      if (ours) this.pause.begin();
      if (failed || ours) log.error({ error: (error as Error).stack }, 'could not do it');
      await this.api.post(`${at}/release`, { failed } satisfies Release).catch(() => undefined); // else its lease runs out
      if (isLate && !(await ends(work))) endHung(log, error.message);
      return failed ? FAILED_MS : 0;
    } finally {
      clearInterval(timer);
    }
  }

  private async beat(at: string, over: AbortController): Promise<void> {
    try {
      const answer = (await this.api.post(`${at}/heartbeat`, this.work.beat())) as { action?: string };
      if (answer?.action === 'cancel') over.abort(new LeaseEnded('It was cancelled.'));
    } catch (error) {
      if (!(error instanceof Unreachable)) over.abort(error);
    }
  }
}

/** Whether it is over soon, one way or the other. */
async function ends(work: Promise<unknown> | undefined): Promise<boolean> {
  const settled = Promise.resolve(work).then(
    () => true,
    () => true,
  );
  return Promise.race([settled, sleep(STOPPING_MS, false)]);
}

const attributesOf = (fields: Readonly<Record<string, string>>): Attributes =>
  Object.fromEntries(Object.entries(fields).map(([name, value]) => [`patchbay.${name}`, value]));
