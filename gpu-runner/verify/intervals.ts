/** 95% confidence intervals. */

export interface Interval {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/** The standard normal's 97.5th percentile. */
const Z = 1.959964;

/** Of a mean, by the normal approximation. @param values at least two */
export function meanInterval(values: readonly number[]): Interval {
  const n = values.length;
  const value = values.reduce((sum, one) => sum + one, 0) / n;
  const variance = values.reduce((sum, one) => sum + (one - value) ** 2, 0) / (n - 1);
  const half = Z * Math.sqrt(variance / n);
  return { value, low: value - half, high: value + half };
}

/** Of a share (Wilson 1927): right for small numbers too, and for none or all. */
export function wilsonInterval(successes: number, trials: number): Interval {
  const value = successes / trials;
  const z2 = Z * Z;
  const centre = (value + z2 / (2 * trials)) / (1 + z2 / trials);
  const half = (Z / (1 + z2 / trials)) * Math.sqrt((value * (1 - value)) / trials + z2 / (4 * trials ** 2));
  return { value, low: Math.max(0, centre - half), high: Math.min(1, centre + half) };
}
