/** Values on one scale, each with its interval where there is one: words on the left, the same drawn on the right. */
export interface Row {
  readonly label: string;
  readonly value: number;
  readonly low?: number;
  readonly high?: number;
  readonly look: 'plain' | 'accent';
}

const ROW = 36;
/** Room for the ticks' labels. */
const FOOT = 20;
const LOOKS = { plain: 'fill-plain stroke-plain', accent: 'fill-accent stroke-accent' } as const;

export function Ranges({
  title,
  ticks,
  format,
  rows,
}: {
  title: string;
  /** From the first to the last is the scale. */
  ticks: readonly number[];
  format: (value: number) => string;
  rows: readonly Row[];
}) {
  const [from, to] = [ticks[0]!, ticks.at(-1)!];
  const x = (value: number) => `${((value - from) / (to - from)) * 100}%`;
  const height = rows.length * ROW;
  return (
    <figure className="panel min-w-0 p-4">
      <figcaption className="mb-3 text-sm font-medium">{title}</figcaption>
      <div className="grid grid-cols-1 gap-x-6 gap-y-2 px-1 sm:grid-cols-[auto_minmax(0,1fr)]">
        <dl className="text-sm tabular-nums">
          {rows.map(({ label, value, low, high }) => (
            <div key={label} className="flex h-9 items-center gap-3">
              <dt className="w-16 text-quiet">{label}</dt>
              <dd className="flex flex-wrap items-baseline gap-x-2 leading-tight">
                <strong className="w-11 text-right">{format(value)}</strong>
                {low !== undefined && high !== undefined && (
                  <span className="text-xs text-quiet">
                    {format(low)} to {format(high)}
                  </span>
                )}
              </dd>
            </div>
          ))}
        </dl>
        <svg className="w-full overflow-visible" height={height + FOOT} aria-hidden>
          {ticks.map((tick, i) => (
            <g key={tick}>
              <line x1={x(tick)} x2={x(tick)} y1={0} y2={height} className="stroke-line" />
              <text
                x={x(tick)}
                y={height + 15}
                textAnchor={i === 0 ? 'start' : i === ticks.length - 1 ? 'end' : 'middle'}
                className="fill-quiet text-[11px]"
              >
                {format(tick)}
              </text>
            </g>
          ))}
          {rows.map(({ label, value, low = value, high = value, look }, i) => {
            const y = (i + 0.5) * ROW;
            return (
              <g key={label} className={LOOKS[look]}>
                <line x1={x(from)} x2={x(value)} y1={y} y2={y} strokeWidth="10" strokeOpacity="0.18" />
                <line x1={x(low)} x2={x(high)} y1={y} y2={y} strokeWidth="2" />
                {low !== high &&
                  [low, high].map((end) => (
                    <line key={end} x1={x(end)} x2={x(end)} y1={y - 5} y2={y + 5} strokeWidth="2" />
                  ))}
                <circle cx={x(value)} cy={y} r="4.5" stroke="none" />
              </g>
            );
          })}
        </svg>
      </div>
    </figure>
  );
}

/** Round ticks from 0 to a little over `top`. */
export function ticksTo(top: number): number[] {
  const rough = Math.max(top, 1e-9) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].find((factor) => factor * power >= rough)! * power;
  return Array.from({ length: Math.ceil(top / step) + 1 }, (_, i) => i * step);
}
