/** A process under test, and the supervisor that a container platform would be: what ends is started again. */
import { type ChildProcess, spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Timeline } from './timeline.ts';

const RESTART_MS = 300;
const KEPT_LOG = 200_000;
/** Of what a process that crashed said, the part that is told. */
const LAST_WORDS = 2_000;
const clock = pathToFileURL(join(import.meta.dirname, 'skewed-clock.ts')).href;

export interface ProcessOptions {
  readonly name: string;
  /** A file of Node's. */
  readonly entry: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Holds what its calendar is wrong by. */
  readonly clockFile: string;
  readonly timeline: Timeline;
  /** What it logs once it is up; one that does not get there, because it lacks others, is started again. */
  readonly upWhen: string;
}

export class Supervised {
  readonly name: string;
  /** The end of what it logged, over all its lives. */
  log = '';
  /** What it logged since it was last started. */
  life = '';
  /** It has come up, and not ended. */
  isUp = false;
  /** Ends that nobody asked for, once it was up: exit codes or signals. */
  readonly crashes: string[] = [];
  /** When it was away, on the timeline; `to` is open while it is. */
  readonly away: { readonly from: number; to: number }[] = [];
  private readonly options: ProcessOptions;
  private child: ChildProcess | undefined;
  private frozen = false;
  private expected = false;
  private stopping = false;
  private exited: Promise<void> = Promise.resolve();

  constructor(options: ProcessOptions) {
    this.options = options;
    this.name = options.name;
    this.start();
  }

  get pid(): number {
    return this.child?.pid ?? 0;
  }

  kill(): void {
    this.expected = true;
    this.child?.kill('SIGKILL');
  }

  /** As a platform stops a container. */
  terminate(): void {
    this.expected = true;
    this.leave(); // it takes nothing new from here on
    this.child?.kill('SIGTERM');
  }

  private leave(): void {
    this.isUp = false;
    if (this.away.at(-1)?.to !== Number.POSITIVE_INFINITY)
      this.away.push({ from: this.options.timeline.ms, to: Number.POSITIVE_INFINITY });
  }

  freeze(): void {
    this.frozen = true;
    this.child?.kill('SIGSTOP');
  }

  thaw(): void {
    if (this.frozen) this.child?.kill('SIGCONT');
    this.frozen = false;
  }

  setClock(milliseconds: number): Promise<void> {
    return writeFile(this.options.clockFile, String(milliseconds));
  }

  async stop(): Promise<void> {
    this.stopping = true;
    this.thaw();
    this.terminate();
    const patience = setTimeout(() => this.kill(), 15_000);
    await this.exited;
    clearTimeout(patience);
  }

  private start(): void {
    const { entry, environment, clockFile, timeline, upWhen } = this.options;
    this.isUp = false;
    this.life = '';
    const child = spawn(process.execPath, ['--import', clock, entry], {
      env: { ...process.env, ...environment, PATCHBAY_TEST_CLOCK: clockFile },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child = child;
    this.expected = false;
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk) => {
        this.log = (this.log + chunk).slice(-KEPT_LOG);
        this.life = (this.life + chunk).slice(-KEPT_LOG);
        if (this.isUp || this.expected || !this.life.includes(upWhen)) return;
        this.isUp = true;
        const last = this.away.at(-1);
        if (last) last.to = timeline.ms;
      });
    this.exited = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        if (this.isUp && !this.expected && !this.stopping)
          this.crashes.push(`${code ?? signal}: ${this.log.slice(-LAST_WORDS)}`);
        this.leave();
        timeline.note(this.name, `ended (${code ?? signal})`);
        resolve();
        if (!this.stopping) setTimeout(() => this.stopping || this.start(), RESTART_MS);
      });
    });
  }
}
