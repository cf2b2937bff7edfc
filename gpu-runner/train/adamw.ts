/** AdamW (Loshchilov and Hutter 2019): decoupled weight decay, bias-corrected moments; the arithmetic is PyTorch's. */

export interface AdamWSettings {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
}

/** A trained tensor with its moments. */
export interface Parameter {
  readonly value: Float32Array;
  readonly first: Float32Array;
  readonly second: Float32Array;
}

export function parameter(value: Float32Array): Parameter {
  return { value, first: new Float32Array(value.length), second: new Float32Array(value.length) };
}

/** Changes the parameter in place. @param step 1 for the first. @param factor multiplies the gradient (clipping) */
export function adamW(
  { value, first, second }: Parameter,
  gradient: Float32Array,
  { beta1, beta2, epsilon, weightDecay }: AdamWSettings,
  { learningRate, step, factor }: { learningRate: number; step: number; factor: number },
): void {
  const keep = 1 - learningRate * weightDecay;
  const stepSize = learningRate / (1 - beta1 ** step);
  const correction = Math.sqrt(1 - beta2 ** step);
  for (let i = 0; i < value.length; i++) {
    const g = factor * gradient[i]!;
    const m = beta1 * first[i]! + (1 - beta1) * g;
    const v = beta2 * second[i]! + (1 - beta2) * g * g;
    first[i] = m;
    second[i] = v;
    value[i] = keep * value[i]! - (stepSize * m) / (Math.sqrt(v) / correction + epsilon);
  }
}

/** Euclidean norm over all tensors, summed in float64 in their order. */
export function globalNorm(tensors: Iterable<Float32Array>): number {
  let sum = 0;
  // By index: an iterator over millions of numbers takes five times as long.
  for (const tensor of tensors) for (let i = 0; i < tensor.length; i++) sum += tensor[i]! * tensor[i]!;
  return Math.sqrt(sum);
}

/** What gradients are multiplied by so that their norm is at most `limit`, as PyTorch's clip_grad_norm_ does. */
export function clipFactor(norm: number, limit: number): number {
  return Math.min(1, limit / (norm + 1e-6));
}
