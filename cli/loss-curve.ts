/** The losses of a training job as lines of text. */
import { plot } from 'simple-ascii-chart';

export type LossPoint = readonly [step: number, loss: number];

const TICKS = 5;

/** @param width of the curve itself. @returns nothing until there are two points */
export function lossCurve(
  train: readonly LossPoint[],
  valid: readonly LossPoint[],
  size: { width: number; height: number },
): string {
  if (train.length < 2) return '';
  const line = averaged(train, size.width);
  const [first, last] = [line[0]![0], line.at(-1)![0]];
  const ticks = Array.from({ length: TICKS }, (_, i) =>
    Math.round(first + ((last - first) * i) / (TICKS - 1)),
  );
  const chart = plot(line, {
    ...size,
    color: 'ansiCyan',
    customXAxisTicks: [...new Set(ticks)],
    formatter: (value, { axis }) => (axis === 'x' ? Math.round(value) : value.toFixed(2)),
    points: valid.map(([x, y]) => ({ x, y, color: 'ansiYellow' as const })),
  });
  return chart.replace(/^\n+|\s+$/g, '');
}

/** Single steps are noisy: each column shows the mean of those that fall into it. */
function averaged(points: readonly LossPoint[], columns: number): [number, number][] {
  const each = Math.max(1, Math.ceil(points.length / columns));
  const groups = Array.from({ length: Math.ceil(points.length / each) }, (_, i) =>
    points.slice(i * each, (i + 1) * each),
  );
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  return groups.map((group) => [mean(group.map(([step]) => step)), mean(group.map(([, loss]) => loss))]);
}
