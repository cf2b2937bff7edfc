/** Whether an adapter fits a base: every tensor names a module that is there, in pairs, in the right shapes and ranks. */
import type { ModuleSize, ModuleTable } from './base-config.ts';
import { AdapterError, AdapterProblems, MAX_PROBLEMS } from './error.ts';
import { copiedModule, refuseCopies } from './full-copies.ts';
import { nearestName } from './nearest-name.ts';
import type { PeftConfig } from './peft-config.ts';
import type { SafetensorsHeader, TensorInfo } from './safetensors.ts';
import { moduleScales } from './scale.ts';
import { parseTensorName } from './tensor-names.ts';

/** Most unknown modules are right but for a prefix, a layer or a letter. */
const MOST_SLIPS = 8;

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
  /** [out], with DoRA. */
  readonly magnitude: TensorInfo | undefined;
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
  magnitude?: TensorInfo;
  /** Undefined until one of its matrices is met. */
  embedding?: boolean;
}

/** @throws AdapterProblems */
export function inspectAdapter(
  config: PeftConfig,
  header: SafetensorsHeader,
  modules: ModuleTable,
): AdapterShape {
  const problems = new Problems();
  const scaleOf = problems.attempt(() => moduleScales(config));
  const pairs = new Map<string, Pair>();
  for (const error of refuseCopies(header, modules, config.modulesToSave)) problems.add(error);
  for (const tensor of header.tensors)
    if (!copiedModule(tensor, modules, config.modulesToSave)) problems.attempt(() => collect(pairs, tensor));
  const adapted = [...pairs].flatMap(
    ([module, pair]) =>
      problems.attempt(() =>
        checkPair(module, pair, modules, { scaleOf, useDora: config.useDora }, problems),
      ) ?? [],
  );
  problems.throwAny();
  return {
    modules: adapted,
    maxRank: adapted.reduce((max, { rank }) => Math.max(max, rank), 0),
    parameters: header.tensors.reduce((sum, { shape }) => sum + shape.reduce((x, y) => x * y, 1), 0),
    targetModules: [...new Set(adapted.map(({ module }) => lastPart(module)))].sort(),
  };
}

/** Collects what is wrong, so that one look shows all of it. */
class Problems {
  readonly #found: AdapterError[] = [];

  attempt<T>(body: () => T): T | undefined {
    try {
      return body();
    } catch (error) {
      if (!(error instanceof AdapterError)) throw error;
      this.add(error);
      return undefined;
    }
  }

  add(error: AdapterError): void {
    this.#found.push(error);
    if (this.#found.length === MAX_PROBLEMS) this.throwAny();
  }

  throwAny(): void {
    if (this.#found.length > 0) throw new AdapterProblems(this.#found);
  }
}

function collect(pairs: Map<string, Pair>, tensor: TensorInfo): void {
  const { module, part } = parseTensorName(tensor.name);
  const pair = pairs.get(module) ?? {};
  pairs.set(module, pair);
  if (part === 'lora_magnitude_vector') {
    pair.magnitude = tensor;
    return;
  }
  const embedding = part.includes('embedding');
  pair.embedding ??= embedding;
  if (pair.embedding !== embedding) {
    throw new AdapterError(
      'pair_incomplete',
      `${module} has matrices of a linear and of an embedding; it can be only one of them.`,
      tensor.name,
    );
  }
  pair[part.endsWith('A') ? 'a' : 'b'] = tensor;
}

function checkPair(
  module: string,
  { a, b, magnitude, embedding = false }: Pair,
  modules: ModuleTable,
  { scaleOf, useDora }: { scaleOf: ReturnType<typeof moduleScales> | undefined; useDora: boolean },
  problems: Problems,
): AdaptedModule | undefined {
  const size = modules.get(module);
  if (!size) {
    const near = nearestName(module, modules.keys(), MOST_SLIPS);
    throw new AdapterError(
      'module_unknown',
      `The base has no module ${module}${near ? `; did you mean ${near}?` : '.'}`,
      module,
    );
  }
  const infix = size.kind === 'embedding' ? 'lora_embedding_' : 'lora_';
  if ((a ?? b) && embedding !== (size.kind === 'embedding')) {
    throw new AdapterError(
      'shape_mismatch',
      `${module} is ${size.kind === 'embedding' ? 'an embedding' : 'a linear'}: its matrices must be ${infix}A and ${infix}B.`,
      module,
    );
  }
  if (!a || !b) {
    const [there, missing] = a ? ['A', 'B'] : ['B', 'A'];
    throw new AdapterError(
      'pair_incomplete',
      (a ?? b)
        ? `${module} has ${infix}${there} but no ${infix}${missing}; an adapter needs both.`
        : `${module} has a magnitude but neither ${infix}A nor ${infix}B; an adapter needs both.`,
      module,
    );
  }
  checkMagnitude(module, magnitude, { ...size, useDora });
  const rank = a.shape[0]!;
  const fits = [
    problems.attempt(() => expectShape(a, [rank, size.in])),
    problems.attempt(() => expectShape(b, [size.out, rank])),
  ];
  if (fits.includes(undefined) || !scaleOf) return undefined; // its rank would be no news
  const { rank: declared, alpha, scale } = scaleOf(module);
  if (declared !== rank) {
    throw new AdapterError(
      'rank_mismatch',
      `${module} has rank ${rank}; adapter_config.json makes it ${declared} (r, rank_pattern).`,
      module,
    );
  }
  return { module, kind: size.kind, rank, alpha, scale, a, b, magnitude };
}

function checkMagnitude(
  module: string,
  magnitude: TensorInfo | undefined,
  { kind, out, useDora }: ModuleSize & { useDora: boolean },
): void {
  if (useDora && kind === 'embedding')
    throw new AdapterError(
      'field_unsupported',
      `${module} is an embedding: DoRA is done on linears only.`,
      module,
    );
  if (Boolean(magnitude) !== useDora) {
    throw new AdapterError(
      'pair_incomplete',
      useDora
        ? `${module} has no lora_magnitude_vector, though adapter_config.json says use_dora.`
        : `${module} has a lora_magnitude_vector, but adapter_config.json does not say use_dora.`,
      module,
    );
  }
  if (magnitude) expectShape(magnitude, [out]);
}

function expectShape(tensor: TensorInfo, shape: readonly number[]): true {
  if (String(tensor.shape) !== String(shape)) {
    throw new AdapterError(
      'shape_mismatch',
      `${tensor.name} is [${tensor.shape}]; for this base it should be [${shape}]. Is this its base?`,
      tensor.name,
    );
  }
  return true;
}

function lastPart(module: string): string {
  return module.slice(module.lastIndexOf('.') + 1);
}
