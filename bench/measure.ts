/** What the benchmarks share: the checkpoint of the 135M shape, timing, and the peer in Python. */
import { spawn } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Figure {
  readonly key: string;
  readonly value: number;
  readonly unit: string;
}

export const THREADS = 2;
const peerFolder = fileURLToPath(new URL('./peer', import.meta.url));
/** Python with bench/peer/requirements.txt. */
const python = process.env['PATCHBAY_PYTHON'] ?? 'python3';
export const cacheFolder = process.env['PATCHBAY_BENCH_CACHE'] ?? join(tmpdir(), 'patchbay-bench');

export function note(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Runs a peer's script. @returns its last line, parsed */
export async function peer(script: string, args: readonly string[]): Promise<unknown> {
  const child = spawn(python, [join(peerFolder, script), ...args], { stdio: ['ignore', 'pipe', 'ignore'] });
  let output = '';
  child.stdout.on('data', (chunk) => {
    output += chunk;
  });
  const code = await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', resolve);
  });
  if (code !== 0) {
    throw new Error(
      `${python} ${script} ended with ${code}: install bench/peer/requirements.txt and set PATCHBAY_PYTHON`,
    );
  }
  const last = output.trim().split('\n').at(-1);
  return last?.startsWith('{') ? JSON.parse(last) : undefined;
}

/** SmolLM2's 135M shape with random weights, made once (0.5 GB). */
export async function checkpoint135m(): Promise<string> {
  const folder = join(cacheFolder, 'smollm2-135m');
  if (!(await stat(join(folder, 'model.safetensors')).catch(() => undefined))) {
    note(`making the checkpoint in ${folder}`);
    await peer('make_checkpoint.py', [folder]);
  }
  return folder;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}

/** Milliseconds. */
export async function timed(body: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await body();
  return performance.now() - began;
}

/** Numbers from 0 to 1, the same for the same seed. */
export function draws(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
