/**
 * Opens the session of a checkpoint. ONNX Runtime packs every weight for the processor's kernels when it loads a model;
 * here that is done once and saved, and every session and process after that maps the packed file: it loads faster, and
 * the pages are shared. The packed layout depends on processor and library, so both are in the folder's name.
 */
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { writeOnnx } from '../graph/onnx.ts';
import { chosenProvider } from '../provider.ts';
import { ORT_VERSION, Session } from '../session.ts';
import type { Checkpoint } from './checkpoint.ts';
import { buildStep } from './step-graph.ts';

const MODEL = 'model.onnx';
const WEIGHTS = 'model.bin';

export async function openPrepared(checkpoint: Checkpoint, threads: number): Promise<Session> {
  const { folder } = checkpoint;
  const graph = writeOnnx(buildStep(checkpoint.config, checkpoint.weight), 'patchbay');
  const key = createHash('sha256')
    .update(graph)
    .update(`${ORT_VERSION} ${chosenProvider()} ${await processor()} ${checkpoint.fingerprint}`)
    .digest('hex')
    .slice(0, 16);
  if (chosenProvider() !== 'cpu') return openAsItIs(graph, join(folder, `patchbay-${key}.onnx`), threads);
  const prepared = join(folder, `patchbay-prepared-${key}`);
  if (!(await exists(join(prepared, MODEL)))) await prepare(graph, prepared, threads);
  return Session.open(join(prepared, MODEL), { threads, optimize: false });
}

/** Packing is for the processor's kernels; a GPU gets a copy of the weights of its own. */
async function openAsItIs(graph: Uint8Array, path: string, threads: number): Promise<Session> {
  const temporary = `${path}.${randomUUID()}`;
  await writeFile(temporary, graph);
  await rename(temporary, path);
  return Session.open(path, { threads });
}

/** What the packed layout depends on: the model and, where the system tells, the instructions that it offers. */
async function processor(): Promise<string> {
  const info = await readFile('/proc/cpuinfo', 'utf8').catch(() => ''); // Linux; clouds hide parts of a processor
  return `${cpus()[0]?.model} ${/^(?:flags|Features)\s*:.*$/m.exec(info)?.[0] ?? ''}`;
}

/** Made under another name and moved into place whole; where another process was faster, its result serves as well. */
async function prepare(graph: Uint8Array, prepared: string, threads: number): Promise<void> {
  const temporary = `${prepared}.${randomUUID()}`;
  const source = `${temporary}.onnx`; // beside the weights: external data may not lie above the graph
  try {
    await mkdir(temporary);
    await writeFile(source, graph);
    const session = await Session.open(source, {
      threads,
      optimizedModelPath: join(temporary, MODEL),
      entries: {
        'session.optimized_model_external_initializers_file_name': WEIGHTS,
        'session.optimized_model_external_initializers_min_size_in_bytes': '1024',
        'session.save_external_prepacked_constant_initializers': '1',
      },
    });
    await session.release();
    // Else a machine that loses its power may find files of the right name, and nothing in them.
    for (const name of await readdir(temporary)) await flush(join(temporary, name));
    await rename(temporary, prepared).catch(async (error: unknown) => {
      if (!(await exists(join(prepared, MODEL)))) throw error;
    });
  } finally {
    await rm(temporary, { recursive: true, force: true });
    await rm(source, { force: true });
  }
}

async function flush(path: string): Promise<void> {
  await using file = await open(path, 'r+');
  await file.sync();
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}
