/** What a job measured at each step. */
import { lazy, Suspense, useMemo } from 'react';
import type { Line } from '../line-chart.tsx';
import { type History, nameOf, type Series } from './history.ts';

const LineChart = lazy(() => import('../line-chart.tsx'));

/** Steps over which a noisy curve is averaged, falling off exponentially. */
const SMOOTHED_OVER = 10;

type Values = readonly (number | null)[];

export function Curves({ series, other }: { series: Series; other: History | undefined }) {
  const loss = useMemo(
    () => (other ? joined(series, other.series) : { x: series.step, lines: lossLines(series) }),
    [series, other],
  );
  const small = useMemo(
    () =>
      [
        ['Learning rate', series.learningRate],
        ['Gradient norm', series.gradientNorm],
        ['Tokens per second', series.tokensPerSecond],
      ] as const,
    [series],
  );
  if (series.step.length === 0) return null;
  return (
    <Suspense fallback={<div className="h-80" />}>
      <div className="grid grid-cols-1 gap-4">
        <LineChart
          title={other ? `Loss, beside ${nameOf(other.job)}` : 'Loss'}
          unit="nats per token"
          x={loss.x}
          lines={loss.lines}
        />
        <div className="grid grid-cols-1 gap-4 lg:grid-cols-3">
          {small.map(([title, values]) => (
            <Small key={title} title={title} x={series.step} values={values} />
          ))}
        </div>
      </div>
    </Suspense>
  );
}

function Small({ title, x, values }: { title: string; x: readonly number[]; values: Values }) {
  const lines = useMemo<Line[]>(
    () => [{ label: title.toLowerCase(), colour: 'accent', values }],
    [title, values],
  );
  return <LineChart title={title} x={x} lines={lines} small />;
}

const lossLines = ({ trainLoss, validLoss }: Series): Line[] => [
  { label: 'training', colour: 'accent', values: trainLoss, faint: trainLoss.length > SMOOTHED_OVER },
  ...(trainLoss.length > SMOOTHED_OVER
    ? [{ label: 'training, smoothed', colour: 'accent' as const, values: smoothed(trainLoss) }]
    : []),
  ...(validLoss.some((value) => value !== null)
    ? [{ label: 'validation', colour: 'warn' as const, values: validLoss, sparse: true }]
    : []),
];

function smoothed(values: Values): Values {
  const keep = 1 - 1 / SMOOTHED_OVER;
  let [mean, weight] = [0, 0];
  return values.map((value) => {
    if (value === null) return null;
    mean = keep * mean + (1 - keep) * value;
    weight = keep * weight + (1 - keep);
    return mean / weight; // the beginning counts for no more than it holds
  });
}

/** Two runs over the steps of both. */
function joined(a: Series, b: Series): { x: number[]; lines: Line[] } {
  const x = [...new Set([...a.step, ...b.step])].sort((m, n) => m - n);
  const over = (from: Series, values: Values) => {
    const known = new Map(from.step.map((step, i) => [step, values[i] ?? null]));
    return x.map((step) => known.get(step) ?? null);
  };
  const own = lossLines(a).map((line) => ({ ...line, values: over(a, line.values) }));
  const others = lossLines(b)
    .filter(({ faint }) => !faint)
    .map((line) => ({
      ...line,
      label: `${line.label}, the other`,
      colour: 'quiet' as const,
      values: over(b, line.values),
    }));
  return { x, lines: [...own, ...others] };
}
