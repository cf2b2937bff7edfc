/** How much better an adapter is than its base, and how sure that is: in words, and drawn. */
import type { Schemas } from '../api.ts';
import { percent, signed } from './format.ts';

type Evaluated = Pick<Schemas['Adapter'], 'evalGain' | 'evaluation'>;

/** Nats per token. */
export interface Scale {
  readonly from: number;
  readonly to: number;
}

/** One for all that are shown together, so that they can be compared. The base, 0, is always on it. */
export function scaleOf(adapters: readonly Evaluated[]): Scale {
  const ends = adapters.flatMap(({ evaluation }) =>
    evaluation ? [evaluation.gain.low, evaluation.gain.high] : [],
  );
  const from = Math.min(0, ...ends);
  return { from, to: Math.max(from + 0.1, ...ends) };
}

const shareOf = (value: number, { from, to }: Scale): string => `${((value - from) / (to - from)) * 100}%`;

/** What share of the held-out rows the base and the adapter have right, and the gain with its interval. */
export function Comparison({ evalGain, evaluation, scale }: Evaluated & { scale: Scale }) {
  if (evalGain === null || !evaluation)
    return (
      <p className="text-sm text-quiet">
        {evalGain === null
          ? 'Not compared with its base'
          : `${signed(evalGain)} nats per token over its base`}
      </p>
    );
  const { accuracy } = evaluation;
  return (
    <dl className="grid grid-cols-[auto_minmax(3rem,1fr)_auto] items-center gap-x-3 gap-y-1 text-sm tabular-nums">
      <dt className="text-quiet">Right</dt>
      <dd aria-hidden>
        <Change from={accuracy.base} to={accuracy.adapter} />
      </dd>
      <dd className="text-right">
        <span className="text-quiet">{percent(accuracy.base)} → </span>
        <strong>{percent(accuracy.adapter)}</strong>
      </dd>
      <dt className="text-quiet">Gain</dt>
      <dd aria-hidden>
        <Interval value={evalGain} {...evaluation.gain} scale={scale} />
      </dd>
      <dd className="text-right">
        <GainFigure evalGain={evalGain} evaluation={evaluation} />
      </dd>
    </dl>
  );
}

/** The gain alone, in nats per token. */
export function GainFigure({ evalGain, evaluation }: Evaluated) {
  if (evalGain === null) return <span className="text-quiet">not compared</span>;
  if (!evaluation) return <span>{signed(evalGain)}</span>;
  const { low, high } = evaluation.gain;
  const look = low > 0 ? 'text-good' : high < 0 ? 'text-bad' : 'text-quiet';
  return (
    <span
      className="whitespace-nowrap"
      title={`Nats per token on ${evaluation.rows} held-out rows; 95% interval ${signed(low)} to ${signed(high)}`}
    >
      <strong className={look}>{signed(evalGain)}</strong>
      <span className="text-quiet"> ± {((high - low) / 2).toFixed(2)}</span>
    </span>
  );
}

/** From the base's share of right answers to the adapter's. */
export function Change({ from, to }: { from: number; to: number }) {
  const x = (share: number) => `${share * 100}%`;
  return (
    <svg className="block h-3 w-full overflow-visible" role="presentation">
      <line x1="0%" x2="100%" y1="6" y2="6" className="stroke-line" />
      <line x1={x(from)} x2={x(to)} y1="6" y2="6" className="stroke-accent" strokeWidth="2" />
      <circle cx={x(from)} cy="6" r="3.5" className="fill-raised stroke-plain" strokeWidth="2" />
      <circle cx={x(to)} cy="6" r="4.5" className="fill-accent" />
    </svg>
  );
}

/** A value and its interval; a tick marks the base. */
export function Interval({
  value,
  low,
  high,
  scale,
}: {
  value: number;
  low: number;
  high: number;
  scale: Scale;
}) {
  const x = (at: number) => shareOf(at, scale);
  return (
    <svg className="block h-3 w-full overflow-visible" role="presentation">
      <line x1="0%" x2="100%" y1="6" y2="6" className="stroke-line" />
      <line x1={x(0)} x2={x(0)} y1="0" y2="12" className="stroke-plain" strokeWidth="2" />
      <line x1={x(low)} x2={x(high)} y1="6" y2="6" className="stroke-accent" strokeWidth="3" />
      <line x1={x(low)} x2={x(low)} y1="2" y2="10" className="stroke-accent" strokeWidth="1.5" />
      <line x1={x(high)} x2={x(high)} y1="2" y2="10" className="stroke-accent" strokeWidth="1.5" />
      <circle cx={x(value)} cy="6" r="3" className="fill-accent" />
    </svg>
  );
}
