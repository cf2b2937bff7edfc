/** A real server, as a user starts it, on a folder of its own; and the real command. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import OpenAI from 'openai';

const root = fileURLToPath(new URL('..', import.meta.url));
const START_TIMEOUT_MS = 90_000;

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** What people use a server with. */
export class TestClient {
  /** Of the command's own files. */
  readonly folder: string;
  url: string;
  key: string;

  constructor(folder: string, url = '', key = '') {
    this.folder = folder;
    this.url = url;
    this.key = key;
  }

  openai(key = this.key): OpenAI {
    return new OpenAI({ baseURL: `${this.url}/v1`, apiKey: key, maxRetries: 0 });
  }

  /** A call of the API. */
  call(method: string, path: string, body?: unknown, key: string | undefined = this.key): Promise<Response> {
    return fetch(`${this.url}${path}`, {
      method,
      redirect: 'manual',
      headers: { ...(key ? { authorization: `Bearer ${key}` } : {}), 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
  }

  /** Runs `patchbay` against this server. */
  cli(...args: string[]): Promise<Finished> {
    return run('node', [join(root, 'cli/bin/patchbay.js'), ...args], this.cliEnvironment());
  }

  /** `patchbay` in the background. */
  spawnCli(...args: string[]): ChildProcess {
    return spawn('node', [join(root, 'cli/bin/patchbay.js'), ...args], {
      env: { ...process.env, ...this.cliEnvironment() },
      stdio: 'ignore',
    });
  }

  private cliEnvironment(): Record<string, string> {
    const home = join(this.folder, 'home');
    return {
      PATCHBAY_URL: this.url,
      PATCHBAY_KEY: this.key,
      XDG_CONFIG_HOME: home,
      XDG_CACHE_HOME: home,
    };
  }
}

/** Its key is the bootstrap key of the folder's first start. */
export class TestServer extends TestClient {
  /** Everything on standard output since the last start. */
  stdout = '';
  log = '';
  private child: ChildProcess | undefined;
  private readonly environment: Record<string, string>;

  private constructor(folder: string, environment: Record<string, string>) {
    super(folder);
    this.environment = environment;
  }

  /** @param prepare what is in its folder before it starts */
  static async start(
    environment: Record<string, string> = {},
    prepare: (folder: string) => Promise<void> = async () => undefined,
  ): Promise<TestServer> {
    const server = new TestServer(await mkdtemp(join(tmpdir(), 'patchbay-e2e-')), environment);
    await prepare(server.folder);
    await server.start();
    return server;
  }

  /** Starts on the same folder, again if need be. @throws with the log when it does not come up */
  async start(): Promise<void> {
    this.stdout = '';
    const child = spawn('node', [join(root, 'api/start.js')], {
      cwd: root,
      env: { ...process.env, PORT: '0', PATCHBAY_DATA: this.folder, ...this.environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child = child;
    child.stderr?.on('data', (chunk) => {
      this.log += chunk;
    });
    const ready = await new Promise<string>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`not ready in time\n${this.log}`)), START_TIMEOUT_MS);
      child.stdout?.on('data', (chunk) => {
        this.stdout += chunk;
        if (!this.stdout.includes('\n')) return;
        clearTimeout(timer);
        resolve(this.stdout.split('\n')[0]!);
      });
      child.once('exit', (code) => {
        clearTimeout(timer);
        reject(new Error(`ended with ${code} before it was ready\n${this.log}`));
      });
    });
    const [, url, , key] = ready.split(' ');
    this.url = url ?? '';
    this.key = key ?? this.key;
  }

  get pid(): number {
    return this.child?.pid ?? 0;
  }

  /** @returns the exit code */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    const { child } = this;
    if (!child || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
    const exited = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
    child.kill(signal);
    return exited;
  }

  async remove(): Promise<void> {
    await this.stop();
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

export function run(
  command: string,
  args: readonly string[],
  environment: Record<string, string>,
): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: root,
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
    });
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    child.once('error', reject);
    child.once('exit', (code) => resolve({ code, stdout, stderr }));
  });
}

export const seedFolder = join(root, 'seed');
