/** Lines over steps, drawn as they grow. The same figures stand beside it in words. */
import { useEffect, useRef } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';

export interface Line {
  readonly label: string;
  readonly colour: 'accent' | 'warn' | 'quiet';
  readonly values: readonly (number | null)[];
  /** Single points that are far apart. */
  readonly sparse?: boolean;
}

const HEIGHT = 220;

export default function LineChart({
  title,
  x,
  lines,
}: {
  title: string;
  x: readonly number[];
  lines: readonly Line[];
}) {
  const place = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot>(undefined);
  const shape = JSON.stringify(lines.map(({ label, colour, sparse }) => [label, colour, sparse]));

  // biome-ignore lint/correctness/useExhaustiveDependencies: made anew only where there are other lines
  useEffect(() => {
    const at = place.current!;
    const colour = (name: string) => resolved(at, `var(--color-${name})`);
    const axis = {
      stroke: colour('quiet'),
      grid: { stroke: colour('line') },
      ticks: { stroke: colour('line') },
    };
    const made = new uPlot(
      {
        width: at.clientWidth,
        height: HEIGHT,
        scales: { x: { time: false } },
        axes: [axis, { ...axis, size: 60 }],
        series: [
          { label: 'step' },
          ...lines.map(({ label, colour: name, sparse }) => ({
            label,
            stroke: colour(name),
            width: 1.5,
            spanGaps: true,
            points: { show: sparse ?? false },
          })),
        ],
      },
      [[], ...lines.map(() => [])],
      at,
    );
    chart.current = made;
    const resize = new ResizeObserver(() => made.setSize({ width: at.clientWidth, height: HEIGHT }));
    resize.observe(at);
    return () => {
      resize.disconnect();
      made.destroy();
    };
  }, [shape]);

  useEffect(() => {
    chart.current?.setData([x as number[], ...lines.map(({ values }) => values as (number | null)[])]);
  }, [x, lines]);

  return (
    <figure className="panel min-w-0 p-3">
      <figcaption className="mb-1 text-sm font-medium">{title}</figcaption>
      <div ref={place} role="img" aria-label={`${title}: ${summary(x, lines)}`} />
    </figure>
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
