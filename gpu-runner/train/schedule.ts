/** The learning rate of each step, as transformers' schedulers give it. */

export const SCHEDULES = ['constant', 'linear', 'cosine'] as const;

export interface Schedule {
  readonly kind: (typeof SCHEDULES)[number];
  readonly peak: number;
  readonly warmupSteps: number;
  readonly steps: number;
}

/** @param step 0 for the first */
export function learningRateAt({ kind, peak, warmupSteps, steps }: Schedule, step: number): number {
  if (step < warmupSteps) return (peak * step) / warmupSteps;
  const progress = (step - warmupSteps) / Math.max(1, steps - warmupSteps);
  if (kind === 'constant') return peak;
  if (kind === 'linear') return peak * Math.max(0, 1 - progress);
  return peak * Math.max(0, 0.5 * (1 + Math.cos(Math.PI * progress)));
}
