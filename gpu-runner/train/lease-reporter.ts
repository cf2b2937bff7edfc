/** What a leased job tells the API while it works: events in order, and that it is alive. */
import type { Heartbeat, HeartbeatAnswer, TrainEvent } from '../../functions/train.ts';
import { LeaseEnded, Unreachable } from '../runner-api.ts';
import type { LeaseClient } from './lease-client.ts';

/** Events are sent in batches, at most this long after they happened. */
const FLUSH_MS = 1_000;
const MAX_BATCH = 500;

type NewEvent = TrainEvent extends infer E ? (E extends TrainEvent ? Omit<E, 'sequence'> : never) : never;

export class LeaseReporter implements AsyncDisposable {
  /** What the API last wanted. */
  action: HeartbeatAnswer['action'] = 'continue';
  progress: Heartbeat = {};
  private readonly client: LeaseClient;
  private readonly lease: string;
  private readonly timers: NodeJS.Timeout[];
  private waiting: TrainEvent[] = [];
  private sequence = 0;
  private sending: Promise<void> = Promise.resolve();
  private readonly recall = new AbortController();
  private reason: unknown;

  constructor(client: LeaseClient, lease: string, heartbeatSeconds: number) {
    this.client = client;
    this.lease = lease;
    this.timers = [
      setInterval(() => this.attempt(() => this.beat()), heartbeatSeconds * 1000),
      setInterval(() => this.attempt(() => this.flush()), FLUSH_MS),
    ];
  }

  event(event: NewEvent): void {
    this.waiting.push({ ...event, sequence: this.sequence++ } as TrainEvent);
  }

  message(message: string, level: TrainEvent['level'] = 'info', data: Record<string, unknown> = {}): void {
    this.event({ type: 'message', level, message, data });
  }

  /** Aborted once the API wants the job back, or takes nothing more for it. Asked for in good time is asked for: it stays so. */
  get recalled(): AbortSignal {
    return this.recall.signal;
  }

  /** Why nothing more is taken: LeaseEnded or LeaseRefused; undefined where it is. */
  get failure(): unknown {
    return this.reason;
  }

  /** @throws LeaseEnded, LeaseRefused once the API said so */
  check(): void {
    if (this.reason) throw this.reason;
  }

  /** Everything that was said has arrived. */
  flush(): Promise<void> {
    const before = this.sending.catch(() => undefined); // what could not be sent then is sent now
    this.sending = before.then(async () => {
      while (this.waiting.length > 0) {
        const batch = this.waiting.slice(0, MAX_BATCH);
        this.hear(await this.client.events(this.lease, batch));
        this.waiting = this.waiting.slice(batch.length);
      }
    });
    return this.sending;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const timer of this.timers) clearInterval(timer);
    await this.sending.catch(() => undefined);
  }

  private async beat(): Promise<void> {
    this.hear(await this.client.heartbeat(this.lease, this.progress));
  }

  private hear(action: HeartbeatAnswer['action']): void {
    this.action = action;
    if (action !== 'continue') this.recall.abort();
  }

  private attempt(work: () => Promise<void>): void {
    work().catch((error: unknown) => {
      if (error instanceof Unreachable) return; // the next beat, or the one after it, tells what has become of the lease
      // The first reason counts, but that the lease is over counts most.
      if (!this.reason || error instanceof LeaseEnded) this.reason = error;
      this.recall.abort(this.reason);
    });
  }
}
