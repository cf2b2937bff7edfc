/**
 * Adapters merged into their base: W' = W + sum of weight * scale * B A (Hu et al. 2021, section 4.1). The result is an
 * ordinary checkpoint, with no added latency, that needs no adapter any more. Weights are written as float32, because a sum
 * rounded to half precision would no longer be what the adapter and the base compute.
 */
import { copyFile, mkdir, open, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { baseTensors } from '../../adapter/base-config.ts';
import { writeSafetensors } from '../../adapter/safetensors.ts';
import type { Checkpoint } from './checkpoint.ts';

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
 * Writes the merged checkpoint into `target`. A tied head that an adapter changes on its own becomes a head of its own.
 * @throws Error for a module that the base lacks
 */
export async function mergeCheckpoint(
  base: Checkpoint,
  adapters: readonly MergeAdapter[],
  target: string,
): Promise<void> {
  const weights = await readWeights(base);
  const tied = base.config.tieEmbeddings;
  const apart =
    tied &&
    adapters.some(({ adapter }) =>
      adapter.modules.some(({ module }) => /lm_head$|embed_tokens$/.test(module)),
    );
  if (apart) weights.set('lm_head.weight', weights.get('model.embed_tokens.weight')!.slice());
  for (const { adapter, weight } of adapters) {
    for (const module of adapter.modules) {
      addDelta(weights, module, weight * module.scale);
      if (module.gain) scaleRows(weights.get(`${module.module}.weight`)!, module.gain);
    }
  }
  await mkdir(target, { recursive: true });
  await writeFile(
    join(target, 'model.safetensors'),
    writeSafetensors(tensorsOf(base, weights), { format: 'pt' }),
  );
  const config = JSON.parse(await readFile(join(base.folder, 'config.json'), 'utf8')) as Record<
    string,
    unknown
  >;
  const { torch_dtype: _old, dtype: _new, ...rest } = config;
  const merged = { ...rest, dtype: 'float32', ...(apart ? { tie_word_embeddings: false } : {}) };
  await writeFile(join(target, 'config.json'), `${JSON.stringify(merged, null, 2)}\n`);
  for (const name of await readdir(base.folder)) {
    if (COMPANIONS.test(name)) await copyFile(join(base.folder, name), join(target, name));
  }
}

async function readWeights(base: Checkpoint): Promise<Map<string, Float32Array>> {
  const weights = new Map<string, Float32Array>();
  for (const name of baseTensors(base.config).keys()) {
    const { file, offset, length } = base.weight(name);
    await using handle = await open(join(base.folder, file));
    const bytes = new Uint8Array(length);
    await handle.read(bytes, 0, length, offset);
    weights.set(name, new Float32Array(bytes.buffer));
  }
  return weights;
}

function addDelta(
  weights: ReadonlyMap<string, Float32Array>,
  { module, rank, a, b }: MergeModule,
  scale: number,
): void {
  const target = weights.get(`${module}.weight`);
  if (!target) throw new Error(`the base has no ${module}`);
  const embedding = module.endsWith('embed_tokens');
  // A linear's delta is B A [out, in]; an embedding's (B A)^T [vocabulary, hidden], since its table holds a row per token.
  const rows = embedding ? a.length / rank : b.length / rank;
  const columns = embedding ? b.length / rank : a.length / rank;
  for (let row = 0; row < rows; row++) {
    for (let r = 0; r < rank; r++) {
      const left = scale * (embedding ? a[r * rows + row]! : b[row * rank + r]!);
      if (left === 0) continue;
      for (let column = 0; column < columns; column++) {
        target[row * columns + column]! +=
          left * (embedding ? b[column * rank + r]! : a[r * columns + column]!);
      }
    }
  }
}

function scaleRows(weight: Float32Array, gain: Float32Array): void {
  const columns = weight.length / gain.length;
  for (const [row, factor] of gain.entries())
    for (let i = row * columns; i < (row + 1) * columns; i++) weight[i]! *= factor;
}

function tensorsOf(base: Checkpoint, weights: ReadonlyMap<string, Float32Array>) {
  const shapes = baseTensors({ ...base.config, tieEmbeddings: !weights.has('lm_head.weight') });
  return [...weights].map(([name, values]) => ({
    name,
    dtype: 'F32' as const,
    shape: shapes.get(name)!,
    data: new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
  }));
}
