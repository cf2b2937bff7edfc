/** A runner, for answers or for training, as a child process of the server, started again when it dies. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Logger } from 'pino';
import { StartError } from './data-folder.ts';

const FIRST_DELAY_MS = 500;
const MAX_DELAY_MS = 10_000;
/** A runner that lived this long was healthy: the next one starts without delay. */
const HEALTHY_MS = 60_000;
const DRAIN_MS = 20_000;
/** A runner reads by presigned URLs: what opens the database or the object store, or signs, is not for it. */
const WITHHELD = /^(DATABASE_URL|S3_.*|PATCHBAY_(AUTH_SECRET|SIGNING_KEY)|GITHUB_CLIENT_SECRET)$/;

export interface RunnerProcessOptions {
  /** File of gpu-runner/ that it runs. */
  readonly entry: 'main.ts' | 'train-main.ts';
  /** On top of the server's own. */
  readonly settings: Readonly<Record<string, string>>;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly log: Logger;
}

export class RunnerProcess {
  private readonly options: RunnerProcessOptions;
  private child: ChildProcess | undefined;
  private address: string | undefined;
  private delay = FIRST_DELAY_MS;
  private stopping = false;
  private wasReady = false;
  private first = Promise.withResolvers<void>();

  constructor(options: RunnerProcessOptions) {
    this.options = options;
  }

  /** Where it listens now; undefined while it starts, and of one that does not listen. */
  get url(): string | undefined {
    return this.address;
  }

  /** Resolves when it is ready. @throws StartError one that dies before it ever did would do so again */
  start(): Promise<void> {
    this.spawn();
    return this.first.promise;
  }

  /** Lets it finish what it is doing. */
  async stop(): Promise<void> {
    this.stopping = true;
    const { child } = this;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exited = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), DRAIN_MS);
    await exited;
    clearTimeout(timer);
  }

  private spawn(): void {
    const began = Date.now();
    const { entry, environment, settings, log } = this.options;
    const child = fork(fileURLToPath(new URL(`../../gpu-runner/${entry}`, import.meta.url)), [], {
      env: {
        ...Object.fromEntries(Object.entries(environment).filter(([name]) => !WITHHELD.test(name))),
        PATCHBAY_RUNNER_PORT: '0', // two of them on one machine: each finds its own
        ...settings,
        // Sessions that come and go fragment glibc's heap: give large blocks back to the system at once.
        MALLOC_MMAP_THRESHOLD_: '1048576',
      },
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.child = child;
    child.on('message', (message) => {
      const { type, url } = message as { type?: string; url?: string };
      if (type !== 'ready') return;
      this.address = url;
      this.wasReady = true;
      this.first.resolve();
    });
    child.on('exit', (code, signal) => {
      this.address = undefined;
      if (this.stopping) return;
      if (!this.wasReady) {
        const how = signal ? `by ${signal}` : `with code ${code}`;
        this.first.reject(new StartError(`the runner ended ${how} before it was ready; its log is above.`));
        return;
      }
      if (Date.now() - began > HEALTHY_MS) this.delay = FIRST_DELAY_MS;
      log.error({ entry, code, signal, restartInMs: this.delay }, 'a runner died');
      setTimeout(() => !this.stopping && this.spawn(), this.delay).unref();
      this.delay = Math.min(2 * this.delay, MAX_DELAY_MS);
    });
  }
}
