/** An adapter and its base on the same rows. */
import { percent } from '../format.ts';
import { Ranges, ticksTo } from '../ranges.tsx';

interface Measured {
  /** Nats per token. */
  readonly loss: number;
  /** Share of the rows whose whole answer is right, with its 95% interval. */
  readonly accuracy: { readonly value: number; readonly low: number; readonly high: number };
}

export function Beside({ base, adapter }: { base: Measured; adapter: Measured }) {
  return (
    <div className="grid grid-cols-1 gap-4 lg:grid-cols-2">
      <Ranges
        title="Rows whose whole answer is right, with 95% intervals"
        ticks={[0, 0.25, 0.5, 0.75, 1]}
        format={percent}
        rows={[
          { label: 'base', ...base.accuracy, look: 'plain' },
          { label: 'adapter', ...adapter.accuracy, look: 'accent' },
        ]}
      />
      <Ranges
        title="Loss, nats per token: less is better"
        ticks={ticksTo(Math.max(base.loss, adapter.loss))}
        format={(value) => value.toFixed(2)}
        rows={[
          { label: 'base', value: base.loss, look: 'plain' },
          { label: 'adapter', value: adapter.loss, look: 'accent' },
        ]}
      />
    </div>
  );
}
