/**
 * Starting up: seconds from `npm start` to its `ready` line, on a new data folder and on one that was used before; and the
 * resident memory of a runner that serves the 135M shape, and what a second one on the same files adds.
 */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BaseSource, GenerateRequest } from '../functions/generate.ts';
import { checkpoint135m, type Figure, median, timed } from './measure.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const ROUNDS = 3;
const TOKEN = 'token-of-the-benchmark';

async function readySeconds(folder: string): Promise<number> {
  const child = spawn('npm', ['start', '--silent'], {
    cwd: root,
    env: { ...process.env, PORT: '0', PATCHBAY_DATA: folder },
    stdio: ['ignore', 'pipe', 'ignore'],
    detached: true,
  });
  const ms = await timed(
    () =>
      new Promise<void>((resolve, reject) => {
        child.stdout.on('data', (chunk) => String(chunk).includes('ready ') && resolve());
        child.once('exit', (code) => reject(new Error(`npm start ended with ${code}`)));
      }),
  );
  const exited = new Promise((resolve) => child.once('exit', resolve));
  process.kill(-child.pid!, 'SIGTERM');
  await exited;
  return ms / 1000;
}

async function measureReady(): Promise<Figure[]> {
  const first = [];
  const again = [];
  for (let round = 0; round < ROUNDS; round++) {
    const folder = await mkdtemp(join(tmpdir(), 'patchbay-bench-'));
    first.push(await readySeconds(folder));
    again.push(await readySeconds(folder));
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
  return [
    { key: 'ready_s', value: median(first), unit: 's' },
    { key: 'ready_again_s', value: median(again), unit: 's' },
  ];
}

/** The checkpoint as a runner is handed it: named files at URLs. */
async function serveCheckpoint(folder: string): Promise<{ base: BaseSource; close(): void }> {
  const server = createServer((request, response) => {
    createReadStream(join(folder, decodeURIComponent((request.url ?? '').slice(1)))).pipe(response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const names = (await readdir(folder)).filter(
    (name) => !name.startsWith('patchbay-') && /\.(json|safetensors)$/.test(name),
  );
  const files = await Promise.all(
    names.map(async (path) => {
      const hash = createHash('sha256');
      for await (const chunk of createReadStream(join(folder, path))) hash.update(chunk as Buffer);
      const { size } = await stat(join(folder, path));
      return { path, size, sha256: hash.digest('hex'), url: `http://127.0.0.1:${port}/${path}` };
    }),
  );
  return { base: { id: 'bench/smollm2-135m', digest: 'f'.repeat(64), files }, close: () => server.close() };
}

interface RunnerForBench {
  readonly child: ChildProcess;
  readonly pid: number;
}

async function startRunner(cache: string, base: BaseSource): Promise<RunnerForBench> {
  const child = fork(join(root, 'gpu-runner/main.ts'), [], {
    env: {
      ...process.env,
      PATCHBAY_RUNNER_TOKEN: TOKEN,
      PATCHBAY_RUNNER_CACHE: cache,
      PATCHBAY_RUNNER_PORT: '0',
      MALLOC_MMAP_THRESHOLD_: '1048576',
    },
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  const url = await new Promise<string>((resolve) => {
    child.on('message', (message) => {
      const { type, url } = message as { type?: string; url?: string };
      if (type === 'ready' && url) resolve(url);
    });
  });
  const send = async (path: string, body: unknown) => {
    const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' };
    const response = await fetch(`${url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
    if (!response.ok) throw new Error(`the runner answered ${response.status}: ${await response.text()}`);
    await response.text();
  };
  await send('/bases', base);
  const request: GenerateRequest = {
    requestId: 'bench',
    base,
    adapters: [],
    prompt: { kind: 'tokens', tokens: Array.from({ length: 256 }, (_, i) => i + 10) },
    sampling: {
      temperature: 0,
      topP: 1,
      topK: 0,
      minP: 0,
      frequencyPenalty: 0,
      presencePenalty: 0,
      logitBias: {},
      stop: [],
      maxTokens: 32,
      echo: false,
    },
    n: 1,
  };
  await send('/generate', request);
  return { child, pid: child.pid! };
}

async function stopRunner({ child }: RunnerForBench): Promise<void> {
  const exited = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await exited;
}

/** Kilobytes of a field of /proc, in MiB. */
async function memory(pid: number, file: string, fields: readonly string[]): Promise<number> {
  const text = await readFile(`/proc/${pid}/${file}`, 'utf8');
  const of = (field: string) => Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0);
  return fields.reduce((sum, field) => sum + of(field), 0) / 1024;
}

async function measureMemory(): Promise<Figure[]> {
  const { base, close } = await serveCheckpoint(await checkpoint135m());
  const cache = await mkdtemp(join(tmpdir(), 'patchbay-bench-'));
  await stopRunner(await startRunner(cache, base)); // packs the weights
  const first = await startRunner(cache, base);
  const rss = await memory(first.pid, 'status', ['VmRSS']);
  const second = await startRunner(cache, base);
  // What is not shared with the first: pages of the mapped weights are.
  const added = await memory(second.pid, 'smaps_rollup', ['Private_Clean', 'Private_Dirty']);
  await Promise.all([stopRunner(first), stopRunner(second)]);
  close();
  await rm(cache, { recursive: true, force: true });
  return [
    { key: 'runner_rss_mib', value: rss, unit: 'MiB' },
    { key: 'second_runner_adds_mib', value: added, unit: 'MiB' },
  ];
}

export async function run(): Promise<Figure[]> {
  return [...(await measureReady()), ...(await measureMemory())];
}
