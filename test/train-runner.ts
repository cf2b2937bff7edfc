/** A training runner as it runs in production: its own process, that asks an API for jobs. */
import { type ChildProcess, fork } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runnerToken } from './in-process.ts';

export class TrainRunnerProcess {
  /** What it logged. */
  log = '';
  /** Where it answers probes. */
  readonly url: Promise<string>;
  private readonly child: ChildProcess;
  private readonly cacheFolder: string;

  private constructor(child: ChildProcess, cacheFolder: string) {
    this.child = child;
    this.cacheFolder = cacheFolder;
    this.url = new Promise((resolve) =>
      child.once('message', (message) => resolve((message as { url: string }).url)),
    );
    child.stderr!.on('data', (chunk: Buffer) => {
      this.log += chunk;
    });
  }

  static async start(
    apiUrl: string,
    settings: Readonly<Record<string, string>> = {},
  ): Promise<TrainRunnerProcess> {
    const cacheFolder = await mkdtemp(join(tmpdir(), 'patchbay-train-'));
    const child = fork(join(import.meta.dirname, '../gpu-runner/train-main.ts'), [], {
      env: {
        ...process.env,
        PATCHBAY_API_URL: apiUrl,
        PATCHBAY_RUNNER_TOKEN: runnerToken,
        PATCHBAY_RUNNER_CACHE: cacheFolder,
        PATCHBAY_RUNNER_THREADS: '1',
        ...settings,
      },
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    return new TrainRunnerProcess(child, cacheFolder);
  }

  /** @returns the exit code */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    const { child } = this;
    if (child.exitCode === null && child.signalCode === null) {
      const exited = new Promise((resolve) => child.once('exit', resolve));
      child.kill(signal);
      await exited;
    }
    await rm(this.cacheFolder, { recursive: true, force: true });
    return child.exitCode;
  }
}
