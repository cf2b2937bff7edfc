/** A runner as a child process of the server, started again when it dies. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Logger } from 'pino';
import type { RunnerEndpoint } from '../runner-client.ts';
import { StartError } from './data-folder.ts';

const FIRST_DELAY_MS = 500;
const MAX_DELAY_MS = 10_000;
/** A runner that lived this long was healthy: the next one starts without delay. */
const HEALTHY_MS = 60_000;
const DRAIN_MS = 20_000;
/** A runner reads by presigned URLs: what opens the database or the object store is not for it. */
const WITHHELD = /^(DATABASE_URL$|S3_)/;

export class RunnerProcess {
  private readonly token: string;
  private readonly cacheFolder: string;
  private readonly environment: Record<string, string | undefined>;
  private readonly log: Logger;
  private child: ChildProcess | undefined;
  private url: string | undefined;
  private delay = FIRST_DELAY_MS;
  private stopping = false;
  private listened = false;
  private first = Promise.withResolvers<void>();

  constructor(options: {
    token: string;
    cacheFolder: string;
    environment: Record<string, string | undefined>;
    log: Logger;
  }) {
    this.token = options.token;
    this.cacheFolder = options.cacheFolder;
    this.environment = options.environment;
    this.log = options.log;
  }

  /** Where it listens now; undefined while it starts. */
  endpoint(): RunnerEndpoint | undefined {
    return this.url ? { url: this.url, token: this.token } : undefined;
  }

  /** Resolves when it listens. @throws StartError one that dies before it ever did would do so again */
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
    const child = fork(fileURLToPath(new URL('../../gpu-runner/main.ts', import.meta.url)), [], {
      env: {
        ...Object.fromEntries(Object.entries(this.environment).filter(([name]) => !WITHHELD.test(name))),
        PATCHBAY_RUNNER_TOKEN: this.token,
        PATCHBAY_RUNNER_CACHE: this.cacheFolder,
        PATCHBAY_RUNNER_PORT: '0',
        // Sessions that come and go fragment glibc's heap: give large blocks back to the system at once.
        MALLOC_MMAP_THRESHOLD_: '1048576',
      },
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.child = child;
    child.on('message', (message) => {
      const { type, url } = message as { type?: string; url?: string };
      if (type !== 'listening' || !url) return;
      this.url = url;
      this.listened = true;
      this.first.resolve();
    });
    child.on('exit', (code, signal) => {
      this.url = undefined;
      if (this.stopping) return;
      if (!this.listened) {
        const how = signal ? `by ${signal}` : `with code ${code}`;
        this.first.reject(new StartError(`the runner ended ${how} before it listened; its log is above.`));
        return;
      }
      if (Date.now() - began > HEALTHY_MS) this.delay = FIRST_DELAY_MS;
      this.log.error({ code, signal, restartInMs: this.delay }, 'the runner died');
      setTimeout(() => !this.stopping && this.spawn(), this.delay).unref();
      this.delay = Math.min(2 * this.delay, MAX_DELAY_MS);
    });
  }
}
