import { expect, test } from 'vitest';
import { meanInterval, wilsonInterval } from './intervals.ts';

test('a Wilson interval holds the shares from which the observed one is 1.96 standard errors away', () => {
  for (const [k, n] of [
    [61, 64],
    [3, 10],
    [1, 200],
  ] as const)
    for (const end of ['low', 'high'] as const) {
      const share = wilsonInterval(k, n)[end];
      expect(Math.abs(k / n - share) / Math.sqrt((share * (1 - share)) / n)).toBeCloseTo(1.959964, 6);
    }
  expect(wilsonInterval(0, 10)).toMatchObject({ value: 0, low: 0 });
  expect(wilsonInterval(10, 10).high).toBeCloseTo(1, 12);
});

test('the interval of a mean is symmetric, and narrow for values alike', () => {
  const { value, low, high } = meanInterval([1, 2, 3, 4]);
  expect(value).toBe(2.5);
  expect(high - value).toBeCloseTo(1.959964 * Math.sqrt(5 / 3 / 4), 9);
  expect(value - low).toBeCloseTo(high - value, 12);
  expect(meanInterval([7, 7, 7])).toEqual({ value: 7, low: 7, high: 7 });
});
