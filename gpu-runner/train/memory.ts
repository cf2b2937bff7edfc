/** How much memory training will take, before it takes any; and how much there is for it. */
import { type BaseConfig, baseTensors } from '../../adapter/base-config.ts';
import type { FunctionDefinition } from '../../functions/definition.ts';
import { memoryMiBBesideTraining } from '../../functions/lanes.ts';
import { train } from '../../functions/train.ts';
import type { LoraMatrices } from './training-session.ts';

const FLOAT_BYTES = 4;
/** Node, the library, and what the head works in. */
const FIXED_BYTES = 400 * 2 ** 20;
/**
 * What the allocator takes over what tensors need. Measured on 30 layers of 576: the estimates lie between the truth and
 * 1.4 times it, for 16 to 1,024 tokens in rows of 16 to 1,024.
 */
const ALLOCATOR = 1.5;
/** With gradient checkpointing; measured as above. */
const CHECKPOINTED = 0.45;
/** What frozen weights take more when they are packed, both ways, over lying as they are. Measured as above: 1.2 times. */
const PACKED = 1.25;
/** Value, gradient, and the two moments. */
const ADAPTER_COPIES = 4;

const MIB = 2 ** 20;
/** Of a machine, however little else runs there. */
const LARGEST_SHARE = 0.8;

/**
 * What training may take of a machine: what the other functions leave that its runner works on, but no less than training needs.
 * @param functions that the runner takes @param machine bytes
 */
export function trainingBytes(functions: readonly FunctionDefinition[], machine: number): number {
  const left = machine - MIB * memoryMiBBesideTraining(functions);
  return Math.floor(Math.min(LARGEST_SHARE * machine, Math.max(MIB * train.needs.memoryMiB, left)));
}

export interface PassShape {
  /** Of all rows together, padding included. */
  readonly tokens: number;
  /** Of a row. */
  readonly length: number;
  readonly gradientCheckpointing: boolean;
  readonly packedWeights: boolean;
}

/** Of a base and a pass over it, which jobs share. @returns bytes */
export function passBytes(
  base: BaseConfig,
  { tokens, length, gradientCheckpointing, packedWeights }: PassShape,
): number {
  const { hiddenSize, intermediateSize, heads, layers } = base;
  // What the way back needs of a layer, for each token.
  const kept = 12 * hiddenSize + 6 * intermediateSize + 2 * heads * length;
  const activations = ALLOCATOR * layers * kept * tokens * (gradientCheckpointing ? CHECKPOINTED : 1);
  const weights = weightsOf(base) * (packedWeights ? 1 + PACKED : 1);
  return FIXED_BYTES + FLOAT_BYTES * (weights + activations);
}

/** Of what a job learns. @returns bytes */
export function adapterBytes(modules: ReadonlyMap<string, LoraMatrices>): number {
  const adapter = [...modules.values()].reduce((sum, { a, b }) => sum + a.length + b.length, 0);
  return FLOAT_BYTES * ADAPTER_COPIES * adapter;
}

/** Of a base that answers sample prompts beside. */
export function servingBytes(base: BaseConfig): number {
  return FIXED_BYTES + FLOAT_BYTES * weightsOf(base);
}

function weightsOf(base: BaseConfig): number {
  return [...baseTensors(base).values()].reduce((sum, shape) => sum + shape.reduce((x, y) => x * y, 1), 0);
}
