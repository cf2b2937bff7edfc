/** A base model in a worker thread, as the main thread sees it. */
import { SHARE_ENV, Worker } from 'node:worker_threads';
import type { GenerateEvent } from '../functions/generate.ts';
import { type Failure, type Fault, faultOf } from './faults.ts';
import type {
  FromWorker,
  GenerateCommand,
  Seen,
  ServedBase,
  ToWorker,
  WorkerSettings,
  WorkerStats,
} from './messages.ts';

interface Listener {
  event(event: GenerateEvent, seen: Seen | undefined): void;
  beat(): void;
  failed(fault: Fault): void;
}

const NOTHING: WorkerStats = {
  running: 0,
  waiting: 0,
  adapters: 0,
  cacheBytes: 0,
  recentAdapters: [],
  answerSeconds: undefined,
};
const ENDED: Failure = { code: 'internal', detail: 'the model thread ended' };

export class BaseHost {
  readonly base: ServedBase;
  stats: WorkerStats = NOTHING;
  private readonly worker: Worker;
  private readonly listeners = new Map<number, Listener>();
  private nextId = 1;
  private ended = false;
  /** When the thread last said something, or was first asked something. */
  private heardAt = 0;

  private constructor(worker: Worker, base: ServedBase) {
    this.worker = worker;
    this.base = base;
    worker.on('message', (message: FromWorker) => this.receive(message));
    worker.on('error', (error) => this.end({ ...ENDED, ...stackOf(error) }));
    worker.on('exit', () => this.end(ENDED));
  }

  get isAlive(): boolean {
    return !this.ended;
  }

  /** For how long the thread has not been heard of, though it has something to do. */
  get silentMs(): number {
    return this.listeners.size > 0 ? performance.now() - this.heardAt : 0;
  }

  /** @throws Fault base_unsupported */
  static open(settings: WorkerSettings): Promise<BaseHost> {
    const worker = new Worker(new URL('./worker.ts', import.meta.url), {
      workerData: settings,
      env: SHARE_ENV, // session.ts switches telemetry off in the environment that native code sees, not in a copy
    });
    return new Promise((resolve, reject) => {
      const settle = (finish: () => void) => {
        // Only our own listeners: the worker hears its messages through one of Node's.
        worker.off('message', first).off('error', failed).off('exit', left);
        finish();
      };
      const first = (message: FromWorker) => {
        if (message.type === 'ready') settle(() => resolve(new BaseHost(worker, message.base)));
        else if (message.type === 'broken') settle(() => reject(faultOf(message.failure)));
      };
      const failed = (error: Error) => settle(() => reject(faultOf({ ...ENDED, ...stackOf(error) })));
      const left = () => settle(() => reject(faultOf(ENDED)));
      worker.on('message', first).on('error', failed).on('exit', left);
    });
  }

  /**
   * Events of one request until its last; leaving early, or aborting, cancels it.
   * @param see is told what the operator wants to know of it
   * @param beat called now and then, as long as the thread takes its steps
   * @throws Fault
   */
  async *generate(
    command: Omit<GenerateCommand, 'type' | 'id'>,
    signal: AbortSignal,
    see: (seen: Seen) => void = () => undefined,
    beat: () => void = () => undefined,
  ): AsyncGenerator<GenerateEvent> {
    if (this.ended) throw faultOf(ENDED);
    const id = this.nextId++;
    const events: GenerateEvent[] = [];
    let failure: Fault | undefined;
    let wake = (): void => undefined;
    if (this.listeners.size === 0) this.heardAt = performance.now();
    // What the thread has said to its end is not awaited of it any more, however long somebody takes to read it.
    const heard = () => this.listeners.delete(id);
    let unfinished = command.n;
    this.listeners.set(id, {
      beat,
      event: (event, seen) => {
        if (seen) see(seen);
        if (event.type === 'finish' && --unfinished === 0) heard();
        events.push(event);
        wake();
      },
      failed: (fault) => {
        heard();
        failure = fault;
        wake();
      },
    });
    const onAbort = () => wake();
    signal.addEventListener('abort', onAbort, { once: true });
    this.send({ type: 'generate', id, ...command });
    let open = command.n;
    try {
      while (open > 0 && !signal.aborted) {
        const event = events.shift();
        if (event) {
          if (event.type === 'finish') open--;
          yield event;
        } else if (failure) {
          throw failure;
        } else {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      }
    } finally {
      signal.removeEventListener('abort', onAbort);
      if (this.listeners.delete(id)) this.send({ type: 'cancel', id });
    }
  }

  /** Waits for what runs, then ends the thread. Ending it during a run would abort the process. */
  async close(): Promise<void> {
    if (this.ended) return;
    const exited = new Promise((resolve) => this.worker.once('exit', resolve));
    this.send({ type: 'close' });
    await exited;
  }

  private send(message: ToWorker): void {
    if (!this.ended) this.worker.postMessage(message);
  }

  private receive(message: FromWorker): void {
    this.heardAt = performance.now();
    if (message.type === 'event') this.listeners.get(message.id)?.event(message.event, message.seen);
    else if (message.type === 'failed') this.listeners.get(message.id)?.failed(faultOf(message.failure));
    else if (message.type === 'beat') for (const listener of this.listeners.values()) listener.beat();
    else if (message.type === 'stats') this.stats = message.stats;
  }

  private end(failure: Failure): void {
    this.ended = true;
    this.stats = NOTHING;
    for (const listener of this.listeners.values()) listener.failed(faultOf(failure));
  }
}

function stackOf(error: Error): { stack?: string } {
  return error.stack === undefined ? {} : { stack: error.stack };
}
