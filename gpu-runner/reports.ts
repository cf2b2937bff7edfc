/** Tells the API where this runner is and how it does, every few seconds (functions/fleet.ts). */
import type { Logger } from 'pino';
import { REPORT_MS, type RunnerReport } from '../functions/fleet.ts';
import type { RunnerHealth } from '../functions/generate.ts';
import type { RunnerApi } from './runner-api.ts';

export class Reports {
  private readonly url: string;
  private readonly api: RunnerApi;
  private readonly health: () => RunnerHealth;
  private readonly log: Logger;
  private readonly timer: NodeJS.Timeout;
  /** Reports are one after another: an earlier one must not arrive last. */
  private last: Promise<void> = Promise.resolve();
  private waiting = false;
  private lost = false;

  constructor(url: string, api: RunnerApi, health: () => RunnerHealth, log: Logger) {
    this.url = url;
    this.api = api;
    this.health = health;
    this.log = log;
    this.timer = setInterval(() => void this.send(), REPORT_MS);
    void this.send();
  }

  /** Now, out of turn: after a change that others should know at once. */
  send(): Promise<void> {
    if (this.waiting) return this.last;
    this.waiting = true;
    this.last = this.last.then(() => {
      this.waiting = false;
      return this.post('runners', { url: this.url, health: this.health() } satisfies RunnerReport);
    });
    return this.last;
  }

  /** Says that this runner is gone. */
  async end(): Promise<void> {
    clearInterval(this.timer);
    await this.last;
    await this.post('runners/left', { url: this.url });
  }

  /** An API that is away hears of this runner when it is back: until then, one line of the log. */
  private async post(path: string, body: object): Promise<void> {
    try {
      await this.api.postOnce(path, body, AbortSignal.timeout(REPORT_MS));
      if (this.lost) this.log.info('the API hears of this runner again');
      this.lost = false;
    } catch (error) {
      if (!this.lost)
        this.log.error({ error: (error as Error).message }, 'the API cannot be told of this runner');
      this.lost = true;
    }
  }
}
