/** A runner as it runs in production: its own process, spoken to over HTTP. */
import { type ChildProcess, fork } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GenerateEvent, RunnerHealth } from '../../functions/generate.ts';

const TOKEN = 'a token for tests only';

export class RunnerProcess {
  readonly child: ChildProcess;
  readonly url: string;
  readonly cacheFolder: string;
  /** What it logged. */
  log = '';

  private constructor(child: ChildProcess, url: string, cacheFolder: string) {
    this.child = child;
    this.url = url;
    this.cacheFolder = cacheFolder;
    child.stderr!.on('data', (chunk: Buffer) => {
      this.log += chunk;
    });
  }

  static async start(environment: Readonly<Record<string, string>> = {}): Promise<RunnerProcess> {
    const cacheFolder = await mkdtemp(join(tmpdir(), 'patchbay-runner-'));
    const child = fork(join(import.meta.dirname, '../main.ts'), [], {
      env: {
        ...process.env,
        PATCHBAY_RUNNER_TOKEN: TOKEN,
        PATCHBAY_RUNNER_CACHE: cacheFolder,
        PATCHBAY_RUNNER_THREADS: '1',
        ...environment,
      },
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    const url = await new Promise<string>((resolve, reject) => {
      child.once('message', (message) => resolve((message as { url: string }).url));
      child.once('exit', (code) => reject(new Error(`the runner exited with ${code}`)));
    });
    return new RunnerProcess(child, url, cacheFolder);
  }

  send(path: string, body?: unknown, init: RequestInit = {}): Promise<Response> {
    return fetch(`${this.url}${path}`, {
      ...(body === undefined
        ? {}
        : { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body) }),
      ...init,
      headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json', ...init.headers },
    });
  }

  async health(): Promise<RunnerHealth> {
    return RunnerHealth.parse(await (await this.send('/health')).json());
  }

  /** Waits until the runner says so of itself. */
  async until(condition: (health: RunnerHealth) => boolean): Promise<RunnerHealth> {
    for (;;) {
      const health = await this.health();
      if (condition(health)) return health;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async stop(): Promise<{ code: number | null; signal: string | null }> {
    const exited = new Promise<{ code: number | null; signal: string | null }>((resolve) => {
      if (this.child.exitCode !== null || this.child.signalCode !== null)
        resolve({ code: this.child.exitCode, signal: this.child.signalCode });
      this.child.once('exit', (code, signal) => resolve({ code, signal }));
    });
    this.child.kill('SIGTERM');
    const result = await exited;
    await rm(this.cacheFolder, { recursive: true, force: true });
    return result;
  }
}

/** Events of a streamed answer as they arrive. */
export async function* eventsOf(response: Response): AsyncGenerator<GenerateEvent> {
  let rest = '';
  for await (const chunk of response.body!.pipeThrough(
    new TextDecoderStream() as TransformStream<Uint8Array, string>,
  )) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop()!;
    for (const line of lines) if (line) yield GenerateEvent.parse(JSON.parse(line));
  }
}

export async function allEvents(response: Response): Promise<GenerateEvent[]> {
  const events: GenerateEvent[] = [];
  for await (const event of eventsOf(response)) events.push(event);
  return events;
}

/** Text of answer `index`. */
export function textOf(events: readonly GenerateEvent[], index = 0): string {
  return events.map((event) => (event.type === 'delta' && event.index === index ? event.text : '')).join('');
}
