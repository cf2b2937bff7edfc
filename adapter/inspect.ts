/** Whether an adapter fits a base: every tensor names a module that is there, in pairs, in the right shapes and ranks. */
import type { ModuleTable } from './base-config.ts';
import { AdapterError, AdapterProblems } from './error.ts';
import type { PeftConfig } from './peft-config.ts';
import type { SafetensorsHeader, TensorInfo } from './safetensors.ts';
import { moduleScales } from './scale.ts';
import { parseTensorName } from './tensor-names.ts';

export interface AdaptedModule {
  readonly module: string;
  readonly kind: 'linear' | 'embedding';
  readonly rank: number;
  readonly alpha: number;
  readonly scale: number;
  /** [rank, in]; of an embedding [rank, vocabulary]. */
  readonly a: TensorInfo;
  /** [out, rank]; of an embedding [hidden, rank]. */
  readonly b: TensorInfo;
}

export interface AdapterShape {
  readonly modules: readonly AdaptedModule[];
  readonly maxRank: number;
  readonly parameters: number;
  /** Last parts of the module paths, such as q_proj, sorted. */
  readonly targetModules: readonly string[];
}

interface Pair {
  a?: TensorInfo;
  b?: TensorInfo;
  embedding: boolean;
}

/** @throws AdapterProblems with every reason, AdapterError where nothing can be read */
export function inspectAdapter(
  config: PeftConfig,
  header: SafetensorsHeader,
  modules: ModuleTable,
): AdapterShape {
  const problems: AdapterError[] = [];
  const attempt = <T>(body: () => T): T | undefined => {
    try {
      return body();
    } catch (error) {
      if (!(error instanceof AdapterError)) throw error;
      problems.push(error);
      return undefined;
    }
  };
  const scaleOf = moduleScales(config);
  const pairs = new Map<string, Pair>();
  for (const tensor of header.tensors) attempt(() => collect(pairs, tensor));
  const adapted = [...pairs].flatMap(
    ([module, pair]) => attempt(() => checkPair(module, pair, modules, scaleOf)) ?? [],
  );
  if (problems.length > 0) throw new AdapterProblems(problems);
  if (adapted.length === 0) throw new AdapterError('no_lora_pairs', 'The file holds no LoRA matrices.');
  return {
    modules: adapted,
    maxRank: Math.max(...adapted.map(({ rank }) => rank)),
    parameters: header.tensors.reduce((sum, { shape }) => sum + shape.reduce((x, y) => x * y, 1), 0),
    targetModules: [
      ...new Set(adapted.map(({ module }) => module.slice(module.lastIndexOf('.') + 1))),
    ].sort(),
  };
}

function collect(pairs: Map<string, Pair>, tensor: TensorInfo): void {
  const { module, part } = parseTensorName(tensor.name);
  const embedding = part.includes('embedding');
  const pair = pairs.get(module) ?? { embedding };
  if (pair.embedding !== embedding) {
    throw new AdapterError(
      'pair_incomplete',
      `${module} has both linear and embedding matrices.`,
      tensor.name,
    );
  }
  pair[part.endsWith('A') ? 'a' : 'b'] = tensor;
  pairs.set(module, pair);
}

function checkPair(
  module: string,
  { a, b, embedding }: Pair,
  modules: ModuleTable,
  scaleOf: ReturnType<typeof moduleScales>,
): AdaptedModule {
  const size = modules.get(module);
  if (!size) {
    const near = nearest(module, modules);
    throw new AdapterError(
      'module_unknown',
      `The base has no module ${module}${near ? `; did you mean ${near}?` : '.'}`,
      module,
    );
  }
  if (!a || !b)
    throw new AdapterError(
      'pair_incomplete',
      `${module} has lora_${a ? 'A' : 'B'} but no lora_${a ? 'B' : 'A'}.`,
      module,
    );
  if (embedding !== (size.kind === 'embedding')) {
    const wanted = size.kind === 'embedding' ? 'lora_embedding_A and lora_embedding_B' : 'lora_A and lora_B';
    throw new AdapterError(
      'shape_mismatch',
      `${module} is a${size.kind === 'embedding' ? 'n embedding' : ' linear'}: its matrices must be ${wanted}.`,
      module,
    );
  }
  const rank = a.shape[0]!;
  expectShape(a, [rank, size.in]);
  expectShape(b, [size.out, rank]);
  const { rank: declared, alpha, scale } = scaleOf(module);
  if (declared !== rank) {
    throw new AdapterError(
      'rank_mismatch',
      `${module} has rank ${rank}; adapter_config.json makes it ${declared} (r, rank_pattern).`,
      module,
    );
  }
  return { module, kind: size.kind, rank, alpha, scale, a, b };
}

function expectShape(tensor: TensorInfo, shape: readonly number[]): void {
  if (String(tensor.shape) !== String(shape)) {
    throw new AdapterError(
      'shape_mismatch',
      `${tensor.name} is [${tensor.shape}]; for this base it should be [${shape}]. Is this its base?`,
      tensor.name,
    );
  }
}

/** A module of the base with the same last part: most unknown modules are right but for their prefix or layer. */
function nearest(module: string, modules: ModuleTable): string | undefined {
  const last = module.slice(module.lastIndexOf('.') + 1);
  return [...modules.keys()].find((known) => known.endsWith(`.${last}`) || known === last);
}
