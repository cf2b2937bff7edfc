/** The other side of adapter-loader.ts. */
import { parentPort, workerData } from 'node:worker_threads';
import { failureOf } from '../faults.ts';
import { openCheckpoint } from '../model/checkpoint.ts';
import type { FromLoader, ToLoader } from './adapter-loader.ts';
import { loadAdapter } from './load-adapter.ts';

const port = parentPort!;
const base = await openCheckpoint(workerData as string);

async function answer({ id, adapter }: ToLoader): Promise<void> {
  try {
    const loaded = await loadAdapter(adapter, base);
    const arrays = loaded.modules.flatMap(({ a, b, gain }) => (gain ? [a, b, gain] : [a, b]));
    const buffers = new Set(arrays.map(({ buffer }) => buffer as ArrayBuffer));
    port.postMessage({ id, loaded } satisfies FromLoader, [...buffers]);
  } catch (error) {
    port.postMessage({ id, failure: failureOf(error) } satisfies FromLoader);
  }
}

port.on('message', (message: ToLoader) => void answer(message));
