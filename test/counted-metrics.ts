/**
 * What was counted, by name and labels: a test that asks has
 * `vi.mock('../observe/metrics.ts', async (original) => (await import('./counted-metrics.ts')).counting(await original()))`.
 */
export const counted = new Map<string, number>();

export const counting = (metrics: object) => ({
  ...metrics,
  count: (name: string, by = 1, labels: object = {}) => {
    const series = `${name} ${Object.values(labels).join(' ')}`;
    counted.set(series, (counted.get(series) ?? 0) + by);
  },
});
