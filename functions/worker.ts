/** Keeps the schedules as part of a process that is there anyway, such as the server. */
import type { Ports, ServerFunction } from './ports.ts';
import { claim, isScheduled, runClaimed, type Scheduled } from './ticks.ts';

/** Of a tick that could not even be claimed. */
const AFTER_FAILURE_MS = 10_000;
/** What runs when the process is asked to stop gets so long to end; what it leaves undone, another one does. */
const GRACE_MS = 3_000;

export interface WorkerLog {
  error(fields: object, message: string): void;
}

export class Worker {
  private readonly functions: readonly Scheduled[];
  private readonly ports: Ports;
  private readonly log: WorkerLog;
  private readonly stopping = new AbortController();
  private readonly running = new Set<Promise<void>>();

  constructor(functions: readonly ServerFunction[], ports: Ports, log: WorkerLog) {
    this.functions = functions.filter(isScheduled);
    this.ports = ports;
    this.log = log;
  }

  start(): void {
    for (const definition of this.functions) void this.keepTime(definition);
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await Promise.race([Promise.all(this.running), pause(GRACE_MS)]);
  }

  private async keepTime(definition: Scheduled): Promise<void> {
    const { signal } = this.stopping;
    const mine = new Set<Promise<void>>();
    while (!signal.aborted) {
      const wait = await this.turn(definition, mine);
      if (mine.size >= definition.needs.concurrency) await Promise.race(mine);
      await pause(wait, signal);
    }
  }

  /** Begins a tick if it is due. @returns after how many milliseconds to look again */
  private async turn(definition: Scheduled, mine: Set<Promise<void>>): Promise<number> {
    try {
      const claimed = await claim(definition, this.ports);
      if (!claimed.isMine) return claimed.dueInMs;
      const work = this.work(definition, claimed.id).finally(() => {
        mine.delete(work);
        this.running.delete(work);
      });
      mine.add(work);
      this.running.add(work);
      return definition.trigger.everySeconds * 1000;
    } catch (error) {
      this.report(definition, error);
      return AFTER_FAILURE_MS;
    }
  }

  private async work(definition: Scheduled, claimId: string): Promise<void> {
    try {
      await runClaimed(definition, claimId, this.ports);
    } catch (error) {
      this.report(definition, error);
    }
  }

  /** What is cut off because the process ends is no failure. */
  private report({ name }: Scheduled, error: unknown): void {
    if (this.stopping.signal.aborted) return;
    this.log.error({ function: name, error: (error as Error).message }, 'a function failed');
  }
}

function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal?.addEventListener('abort', end);
    if (signal?.aborted) end();
  });
}
