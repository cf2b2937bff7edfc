/** How much better an adapter is than its base, and how sure that is. */
import type { Schemas } from '../api.ts';
import { percent, signed } from './format.ts';

type Evaluated = Pick<Schemas['Adapter'], 'evalGain' | 'evaluation'>;

const WIDTH = 120;
const HEIGHT = 12;
/** Half of the scale. */
const REACH_STEPS = [0.5, 1, 2, 4, 8, 16];

/** In words, and as an interval on a line whose middle is the base. */
export function Gain({ evalGain, evaluation }: Evaluated) {
  if (evalGain === null) return <span className="text-quiet">not compared with its base</span>;
  if (!evaluation) return <span>{signed(evalGain)} nats per token</span>;
  const { gain, accuracy, rows } = evaluation;
  const verdict = gain.low > 0 ? 'text-good' : gain.high < 0 ? 'text-bad' : 'text-quiet';
  return (
    <span
      className="inline-flex flex-wrap items-center gap-x-2"
      title={`On ${rows} held-out rows: ${signed(evalGain)} nats per token, 95% interval ${signed(gain.low)} to ${signed(gain.high)}`}
    >
      <span className={`font-semibold ${verdict}`}>{signed(evalGain)}</span>
      <Interval value={evalGain} low={gain.low} high={gain.high} />
      {accuracy.adapter > 0 && (
        <span className="text-quiet">
          {percent(accuracy.base)} → <span className="text-ink">{percent(accuracy.adapter)}</span> right
        </span>
      )}
    </span>
  );
}

function Interval({ value, low, high }: { value: number; low: number; high: number }) {
  const reach =
    REACH_STEPS.find((step) => Math.max(Math.abs(low), Math.abs(high)) <= step) ?? Math.abs(value) * 1.2;
  const x = (at: number) => WIDTH / 2 + (at / reach) * (WIDTH / 2 - 4);
  return (
    <svg width={WIDTH} height={HEIGHT} viewBox={`0 0 ${WIDTH} ${HEIGHT}`} aria-hidden className="text-accent">
      <line x1={0} x2={WIDTH} y1={6} y2={6} stroke="var(--color-line)" />
      <line x1={WIDTH / 2} x2={WIDTH / 2} y1={0} y2={HEIGHT} stroke="var(--color-quiet)" />
      <line x1={x(low)} x2={x(high)} y1={6} y2={6} stroke="currentColor" strokeWidth={3} />
      <circle cx={x(value)} cy={6} r={3.5} fill="currentColor" />
    </svg>
  );
}
