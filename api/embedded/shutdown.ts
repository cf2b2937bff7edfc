/** Undoes what a start has done, when it fails and when the server is asked to stop. */
import type { Logger } from 'pino';

/**
 * Ctrl-C reaches a process that npm started twice at once: from the terminal, and from npm, which passes it on. Nobody
 * presses it a second time this soon.
 */
const SAME_SIGNAL_MS = 500;
const EXIT_INTERRUPTED = 130;

export class Shutdown {
  private readonly steps: { name: string; undo: () => Promise<unknown> }[] = [];
  private readonly log: Logger;
  private running: Promise<void> | undefined;
  private askedAt: number | undefined;

  constructor(log: Logger) {
    this.log = log;
  }

  /** Whether it has begun. */
  get begun(): boolean {
    return this.running !== undefined;
  }

  add(name: string, undo: () => Promise<unknown>): void {
    this.steps.push({ name, undo });
  }

  /** In reverse: what was opened last uses what was opened before. */
  run(): Promise<void> {
    this.running ??= this.undoAll();
    return this.running;
  }

  /** The first signal lets everything end well, a second one does not wait. */
  onSignals(): void {
    const stop = (signal: string) => {
      const now = Date.now();
      if (this.askedAt !== undefined) {
        if (now - this.askedAt > SAME_SIGNAL_MS) process.exit(EXIT_INTERRUPTED);
        return;
      }
      this.askedAt = now;
      this.log.info({ signal }, 'stopping');
      void this.run().then(() => process.exit(0));
    };
    process.on('SIGINT', stop);
    process.on('SIGTERM', stop);
  }

  private async undoAll(): Promise<void> {
    for (const { name, undo } of this.steps.toReversed()) {
      await undo().catch((error: unknown) => {
        this.log.error({ error: String(error) }, `${name} did not stop as it should`);
      });
    }
  }
}
