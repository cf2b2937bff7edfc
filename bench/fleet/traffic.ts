/** Who asks for what and when, drawn from a seed. */

/** The ranks 0, 1, 2... of a popularity that falls as 1 / (rank + 1)^exponent (Zipf). */
export class Zipf {
  private readonly cumulative: Float64Array;

  constructor(count: number, exponent = 1) {
    this.cumulative = new Float64Array(count);
    let sum = 0;
    for (let rank = 0; rank < count; rank++) this.cumulative[rank] = sum += (rank + 1) ** -exponent;
  }

  /** @param drawn from 0 to 1 */
  rank(drawn: number): number {
    const { cumulative } = this;
    const wanted = drawn * cumulative.at(-1)!;
    let [low, high] = [0, cumulative.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (cumulative[middle]! > wanted) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

/** Time to the next of events that come at random at a rate. */
export const exponential = (drawn: number, rate: number): number => -Math.log(1 - drawn) / rate;

/** A whole number from `least` to `most`. */
export const between = (drawn: number, least: number, most: number): number =>
  least + Math.floor(drawn * (most - least + 1));

export function quantile(values: readonly number[], share: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)]!;
}
