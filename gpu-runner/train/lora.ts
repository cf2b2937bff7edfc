/** Adapters in the making: which modules are trained, how they begin, and the PEFT files that they end as. */
import { type BaseConfig, moduleTable } from '../../adapter/base-config.ts';
import type { PeftConfig } from '../../adapter/peft-config.ts';
import { writeSafetensors } from '../../adapter/safetensors.ts';
import { moduleScales } from '../../adapter/scale.ts';
import type { Checkpoint } from '../model/checkpoint.ts';
import { initialMagnitude } from '../model/dora.ts';
import { EMBEDDING_MODULE, LAYER_LINEARS } from '../model/llama.ts';
import { uniform } from '../random.ts';
import type { LoraMatrices } from './training-session.ts';

const ATTENTION = ['q_proj', 'k_proj', 'v_proj', 'o_proj'];
const MLP = ['gate_proj', 'up_proj', 'down_proj'];
/** Names for sets of linears, and the one-letter names of the paper (Hu et al. 2021, section 5). */
const PRESETS: Readonly<Record<string, readonly string[]>> = {
  'all-linear': LAYER_LINEARS,
  attention: ATTENTION,
  mlp: MLP,
  ...Object.fromEntries([...ATTENTION, ...MLP].map((kind) => [kind.replace('_proj', ''), [kind]])),
};

export class TargetError extends Error {
  override readonly name = 'TargetError';
}

/**
 * Paths of the linears that are trained, in the order data flows.
 * @param wanted presets, names (`q_proj`, `embed_tokens`, `lm_head`), or full paths. @throws TargetError for one that matches nothing
 */
export function targetModules(config: BaseConfig, wanted: readonly string[]): string[] {
  const linears = [...moduleTable(config)];
  const chosen = new Set<string>();
  for (const name of wanted) {
    const names = PRESETS[name] ?? [name];
    const found = linears.filter(([path]) => names.some((one) => path === one || path.endsWith(`.${one}`)));
    if (found.length === 0)
      throw new TargetError(
        `target_modules: ${name} is no linear of this base; choose among ${Object.keys(PRESETS).join(', ')}, names such as q_proj, or full paths`,
      );
    for (const [path] of found) chosen.add(path);
  }
  return linears.map(([path]) => path).filter((path) => chosen.has(path));
}

export interface LoraSettings {
  readonly rank: number;
  readonly alpha: number;
  /** By module name, as in PEFT's adapter_config.json. */
  readonly rankPattern: Readonly<Record<string, number>>;
  readonly alphaPattern: Readonly<Record<string, number>>;
  readonly rsLora: boolean;
  readonly dora: boolean;
}

/** The adapter_config.json of what will be trained: ranks and scales are read from it, so the file cannot say another thing. */
export function adapterConfig(
  base: BaseConfig,
  baseId: string,
  modules: readonly string[],
  settings: LoraSettings,
): Record<string, unknown> {
  return {
    alpha_pattern: settings.alphaPattern,
    base_model_name_or_path: baseId,
    bias: 'none',
    fan_in_fan_out: false,
    inference_mode: true,
    init_lora_weights: true,
    lora_alpha: settings.alpha,
    lora_dropout: 0,
    modules_to_save: null,
    peft_type: 'LORA',
    r: settings.rank,
    rank_pattern: settings.rankPattern,
    target_modules: shortNames(base, modules),
    task_type: 'CAUSAL_LM',
    use_dora: settings.dora,
    use_rslora: settings.rsLora,
  };
}

/** Names of linears where every layer's is trained, else full paths. */
function shortNames(base: BaseConfig, modules: readonly string[]): string[] {
  const nameOf = (path: string) => path.slice(path.lastIndexOf('.') + 1);
  const names = [...new Set(modules.map(nameOf))];
  const all = [...moduleTable(base).keys()].map(nameOf);
  const everywhere = names.every(
    (name) =>
      modules.filter((path) => nameOf(path) === name).length === all.filter((one) => one === name).length,
  );
  return (everywhere ? names : [...modules]).sort();
}

/**
 * As PEFT's default: A uniform within 1 / sqrt(in) (Kaiming with a = sqrt 5) and B zero; of an embedding A zero and B normal. The
 * first step starts from the base.
 */
export function initialModules(
  base: BaseConfig,
  config: PeftConfig,
  modules: readonly string[],
  seed: number,
): Map<string, LoraMatrices> {
  const table = moduleTable(base);
  const scales = moduleScales(config);
  const numbers = new Map([...table.keys()].map((path, i) => [path, i]));
  return new Map(
    modules.map((path) => {
      const { in: inputs, out: outputs, kind } = table.get(path)!;
      const { rank, scale } = scales(path);
      const bound = 1 / Math.sqrt(inputs);
      const number = numbers.get(path)!; // of all modules: an A does not change with what else is trained
      if (kind === 'embedding') {
        const b = Float32Array.from({ length: outputs * rank }, (_, i) => normal(seed, number, i));
        return [path, { rank, scale, a: new Float32Array(rank * inputs), b }];
      }
      const a = Float32Array.from(
        { length: rank * inputs },
        (_, i) => bound * (2 * uniform(seed, number, i) - 1),
      );
      return [path, { rank, scale, a, b: new Float32Array(outputs * rank) }];
    }),
  );
}

/** Box and Muller. */
function normal(seed: number, stream: number, i: number): number {
  const radius = Math.sqrt(-2 * Math.log(1 - uniform(seed, stream, 2 * i)));
  return radius * Math.cos(2 * Math.PI * uniform(seed, stream, 2 * i + 1));
}

/** DoRA begins at the base, too: with the lengths of its own rows. */
export async function withMagnitudes(
  checkpoint: Checkpoint,
  modules: ReadonlyMap<string, LoraMatrices>,
): Promise<Map<string, LoraMatrices>> {
  const complete = new Map<string, LoraMatrices>();
  for (const [path, matrices] of modules) {
    const magnitude = await initialMagnitude(checkpoint, path, matrices.a.length / matrices.rank);
    complete.set(path, { ...matrices, magnitude });
  }
  return complete;
}

const partOf = (path: string, letter: 'A' | 'B') =>
  path === EMBEDDING_MODULE ? `lora_embedding_${letter}` : `lora_${letter}.weight`;

/** adapter_model.safetensors as PEFT names and shapes it. */
export function adapterWeights(modules: ReadonlyMap<string, LoraMatrices>): Uint8Array<ArrayBuffer> {
  const bytes = ({ buffer, byteOffset, byteLength }: Float32Array) =>
    new Uint8Array(buffer, byteOffset, byteLength);
  const tensors = [...modules].flatMap(([path, { rank, a, b, magnitude }]) => [
    { name: `base_model.model.${path}.${partOf(path, 'A')}`, shape: [rank, a.length / rank], data: bytes(a) },
    { name: `base_model.model.${path}.${partOf(path, 'B')}`, shape: [b.length / rank, rank], data: bytes(b) },
    ...(magnitude
      ? [
          {
            name: `base_model.model.${path}.lora_magnitude_vector`,
            shape: [magnitude.length],
            data: bytes(magnitude),
          },
        ]
      : []),
  ]);
  return writeSafetensors(
    tensors.map((tensor) => ({ ...tensor, dtype: 'F32' as const })),
    { format: 'pt' },
  );
}
