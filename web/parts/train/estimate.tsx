/** What a job will come to, before it starts: steps as its runner will count them, and the price where there is one. */
import { automaticBatchSize, automaticEpochs, stepsPerEpoch } from '../../../adapter/training-steps.ts';
import { count } from '../format.ts';
import type { RowsReport } from './check-rows.ts';

const MILLION = 1e6;
const dollars = new Intl.NumberFormat('en', { style: 'currency', currency: 'USD', maximumFractionDigits: 4 });

export function Estimate({
  report: { rows, tokens },
  asked,
  perMillion,
}: {
  report: RowsReport;
  /** Hyperparameters that were given. */
  asked: Readonly<Record<string, unknown>>;
  /** Dollars for a million tokens. */
  perMillion: number | undefined;
}) {
  const given = (name: string) => (typeof asked[name] === 'number' ? asked[name] : undefined);
  const examples = Math.max(1, rows - Math.round(rows * (given('validation_split') ?? 0)));
  const batchSize = given('batch_size') ?? automaticBatchSize(examples);
  const epochs = given('n_epochs') ?? automaticEpochs(examples, batchSize);
  const all = tokens * epochs;
  const facts = [
    ['Steps', (stepsPerEpoch(examples, batchSize) * epochs).toLocaleString('en')],
    ['Epochs', given('early_stopping_patience') ? `up to ${epochs}` : epochs],
    ['Examples a step', batchSize],
    ['Tokens read', `about ${count(all)}`],
    ['Price', perMillion ? `at most ${dollars.format((all / MILLION) * perMillion)}` : 'free'],
  ] as const;
  return (
    <section aria-label="Estimate" className="panel p-4">
      <dl className="flex flex-wrap gap-x-8 gap-y-3">
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt className="eyebrow">{name}</dt>
            <dd className="font-semibold tabular-nums">{value}</dd>
          </div>
        ))}
      </dl>
      <p className="mt-3 text-sm text-quiet">
        How long it takes is told before its first step: that depends on the machine. It can be paused and
        cancelled at any time.
      </p>
    </section>
  );
}
