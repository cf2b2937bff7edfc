/** Lines over steps, drawn as they grow. The same figures stand beside it in words. */
import { useEffect, useRef, useSyncExternalStore } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';

export interface Line {
  readonly label: string;
  readonly colour: 'accent' | 'warn' | 'quiet';
  readonly values: readonly (number | null)[];
  /** Single points that are far apart. */
  readonly sparse?: boolean;
  /** Behind another line of its colour. */
  readonly faint?: boolean;
}

const HEIGHT = 300;
const SMALL_HEIGHT = 160;
const FONT = '11px "Instrument Sans", system-ui, sans-serif';
/** There is no step between two steps. */
const WHOLE_STEPS = [1, 2, 5]
  .flatMap((first) => Array.from({ length: 8 }, (_, i) => first * 10 ** i))
  .sort((a, b) => a - b);
/** Of the Y axis: numbers such as 0.00025 or 12,500. */
const figure = (value: number): string =>
  value !== 0 && Math.abs(value) < 1e-3
    ? value.toExponential(1)
    : value.toLocaleString('en', { maximumSignificantDigits: 4 });

export default function LineChart({
  title,
  unit,
  x,
  lines,
  small = false,
}: {
  title: string;
  unit?: string;
  x: readonly number[];
  lines: readonly Line[];
  small?: boolean;
}) {
  const height = small ? SMALL_HEIGHT : HEIGHT;
  const scheme = useColourScheme();
  const place = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot>(undefined);
  const shape = JSON.stringify(
    lines.map(({ label, colour, sparse, faint }) => [label, colour, sparse, faint]),
  );

  // biome-ignore lint/correctness/useExhaustiveDependencies: made anew only where there are other lines
  useEffect(() => {
    const at = place.current!;
    const colour = (name: string) => resolved(at, `var(--color-${name})`);
    const axis = {
      stroke: colour('quiet'),
      font: FONT,
      grid: { stroke: colour('line'), width: 1 },
      ticks: { show: false },
    };
    const made = new uPlot(
      {
        width: at.clientWidth,
        height,
        scales: { x: { time: false } },
        // Where one points in a chart, the others show the same step.
        cursor: { sync: { key: 'steps' }, points: { size: 7 } },
        axes: [
          { ...axis, size: 28, incrs: WHOLE_STEPS },
          { ...axis, size: 54, values: (_chart, values) => values.map(figure) },
        ],
        series: [
          { label: 'step' },
          ...lines.map(({ label, colour: name, sparse = false, faint = false }) => ({
            label,
            stroke: colour(name),
            alpha: faint ? 0.45 : 1,
            width: faint ? 1 : 2,
            spanGaps: true,
            points: { show: sparse, size: 6, fill: colour(name) },
            value: (_chart: uPlot, value: number | null) => (value === null ? '' : figure(value)),
          })),
        ],
      },
      [[], ...lines.map(() => [])],
      at,
    );
    chart.current = made;
    const resize = new ResizeObserver(() => made.setSize({ width: at.clientWidth, height }));
    resize.observe(at);
    return () => {
      resize.disconnect();
      made.destroy();
    };
  }, [shape, scheme]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: a chart that was made anew is empty
  useEffect(() => {
    chart.current?.setData([x as number[], ...lines.map(({ values }) => values as (number | null)[])]);
  }, [x, lines, scheme]);

  return (
    <figure className="panel min-w-0 p-3">
      <figcaption className="mb-1 flex flex-wrap justify-between gap-x-3 text-sm">
        <span className="font-medium">{title}</span>
        <span className="text-quiet">{[unit, 'by step'].filter(Boolean).join(', ')}</span>
      </figcaption>
      <div ref={place} role="img" aria-label={`${title}: ${summary(x, lines)}`} />
    </figure>
  );
}

/** The chart is drawn anew in the other colours. */
function useColourScheme(): string {
  const dark = '(prefers-color-scheme: dark)';
  return useSyncExternalStore(
    (changed) => {
      const media = matchMedia(dark);
      media.addEventListener('change', changed);
      return () => media.removeEventListener('change', changed);
    },
    () => String(matchMedia(dark).matches),
  );
}

/** A canvas knows nothing of CSS variables. */
function resolved(at: Element, value: string): string {
  const probe = at.appendChild(document.createElement('span'));
  probe.style.color = value;
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

function summary(x: readonly number[], lines: readonly Line[]): string {
  const last = lines.map(({ label, values }) => {
    const value = values.findLast((one) => one !== null);
    return value === undefined || value === null ? undefined : `${label} ${value.toPrecision(3)}`;
  });
  return `${last.filter(Boolean).join(', ')} at step ${x.at(-1) ?? 0}`;
}
