/**
 * Adapters merged into their base: W' = W + sum of weight * scale * B A (Hu et al. 2021, section 4.1). The result is an
 * ordinary checkpoint, with no added latency, that needs no adapter any more. Weights are written as float32, because a sum
 * rounded to half precision would no longer be what the adapter and the base compute.
 */
import { copyFile, mkdir, open, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { baseTensors } from '../../adapter/base-config.ts';
import { beginSafetensors } from '../../adapter/safetensors.ts';
import type { Checkpoint } from './checkpoint.ts';
import { forEachPiece } from './weight-rows.ts';

/** A module's matrices as PEFT stores them: a [rank, in], b [out, rank]. */
export interface MergeModule {
  readonly module: string;
  readonly rank: number;
  readonly scale: number;
  readonly a: Float32Array;
  readonly b: Float32Array;
  /** With DoRA: what the sum's rows are multiplied by. */
  readonly gain?: Float32Array;
}

export interface MergeAdapter {
  readonly adapter: { readonly modules: readonly MergeModule[] };
  readonly weight: number;
}

/** Files that travel with the weights. */
const COMPANIONS = /^(tokenizer.*|generation_config|special_tokens_map)\.json$|^chat_template\.jinja$/;

/**
 * Writes the merged checkpoint into `target`, a few rows in memory at a time. A tied head that an adapter changes on its own becomes
 * a head of its own.
 * @throws Error for a module that the base lacks
 */
export async function mergeCheckpoint(
  base: Checkpoint,
  adapters: readonly MergeAdapter[],
  target: string,
): Promise<void> {
  const changes = changesOf(adapters);
  const apart =
    base.config.tieEmbeddings &&
    [...changes.keys()].some((name) => /(lm_head|embed_tokens)\.weight$/.test(name));
  const shapes = baseTensors(apart ? { ...base.config, tieEmbeddings: false } : base.config);
  for (const name of changes.keys())
    if (!shapes.has(name)) throw new Error(`the base has no ${name.replace(/\.weight$/, '')}`);
  await mkdir(target, { recursive: true });
  const tensors = [...shapes].map(([name, shape]) => {
    const size = 4 * shape.reduce((product, length) => product * length, 1);
    return { name, dtype: 'F32' as const, shape, size };
  });
  const { start, ordered } = beginSafetensors(tensors, { format: 'pt' });
  await using file = await open(join(target, 'model.safetensors'), 'w');
  await file.write(start);
  for (const { name, shape } of ordered) {
    const source = apart && name === 'lm_head.weight' ? 'model.embed_tokens.weight' : name;
    const columns = shape.at(-1)!;
    await forEachPiece(base, source, columns, async (first, values) => {
      for (let at = 0; at < values.length; at += columns)
        for (const change of changes.get(name) ?? [])
          change(first + at / columns, values.subarray(at, at + columns));
      await file.write(new Uint8Array(values.buffer));
    });
  }
  await writeConfig(base, target, apart);
  for (const name of await readdir(base.folder)) {
    if (COMPANIONS.test(name)) await copyFile(join(base.folder, name), join(target, name));
  }
}

async function writeConfig(base: Checkpoint, target: string, apart: boolean): Promise<void> {
  const text = await readFile(join(base.folder, 'config.json'), 'utf8');
  const { torch_dtype: _old, dtype: _new, ...rest } = JSON.parse(text) as Record<string, unknown>;
  const merged = { ...rest, dtype: 'float32', ...(apart ? { tie_word_embeddings: false } : {}) };
  await writeFile(join(target, 'config.json'), `${JSON.stringify(merged, null, 2)}\n`);
}

/** What becomes of a row of a weight, [columns]. */
type Change = (row: number, values: Float32Array) => void;

/** By the weight's name, in the order of the adapters. */
function changesOf(adapters: readonly MergeAdapter[]): Map<string, Change[]> {
  const changes = new Map<string, Change[]>();
  for (const { adapter, weight } of adapters)
    for (const module of adapter.modules) {
      const name = `${module.module}.weight`;
      changes.set(name, [...(changes.get(name) ?? []), changeOf(module, weight * module.scale)]);
    }
  return changes;
}

/** A linear's delta is B A [out, in]; an embedding's (B A)^T [vocabulary, hidden], since its table holds a row per token. */
function changeOf({ module, rank, a, b, gain }: MergeModule, scale: number): Change {
  const embedding = module.endsWith('embed_tokens');
  const rows = (embedding ? a : b).length / rank;
  return (row, values) => {
    const columns = values.length;
    for (let r = 0; r < rank; r++) {
      const left = scale * (embedding ? a[r * rows + row]! : b[row * rank + r]!);
      if (left === 0) continue;
      for (let column = 0; column < columns; column++)
        values[column]! += left * (embedding ? b[column * rank + r]! : a[r * columns + column]!);
    }
    if (gain) for (let column = 0; column < columns; column++) values[column]! *= gain[row]!;
  };
}
