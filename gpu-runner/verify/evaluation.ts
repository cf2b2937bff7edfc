/** Is it better than its base, on rows that it has not learnt from? */
import type { Findings } from '../../functions/verify.ts';
import type { Dataset } from '../train/data/dataset.ts';
import type { Adapters, Engine, Score } from './engine.ts';
import { meanInterval, wilsonInterval } from './intervals.ts';

/** How much of a file is measured. */
export interface Limits {
  readonly rows: number;
  /** Of all rows, to be foretold: bounds the time. */
  readonly tokens: number;
}

/** Whoever publishes is waiting. */
const GATE: Limits = { rows: 64, tokens: 4096 };
/** Fewer say nothing that an interval could be given for. */
export const MIN_ROWS = 8;

type Evaluation = NonNullable<Findings['evaluation']>;

/** What comes before the first token to be foretold, what comes from there on, and which of that counts. */
export interface EvaluatedRow {
  /** Of the file, from 1. */
  readonly line: number;
  readonly prompt: readonly number[];
  readonly forced: readonly number[];
  readonly isTarget: readonly boolean[];
}

/** Evenly over the file, as many as the limits allow. */
export function chooseRows(
  { tokens, isTarget, offsets, lines, report }: Dataset,
  limits = GATE,
): EvaluatedRow[] {
  const count = Math.min(limits.rows, report.examples);
  const rows: EvaluatedRow[] = [];
  let total = 0;
  for (let i = 0; i < count && total < limits.tokens; i++) {
    const example = Math.floor((i * report.examples) / count);
    const [begin, end] = [offsets[example]!, offsets[example + 1]!];
    const first = isTarget.indexOf(1, begin);
    const last = isTarget.lastIndexOf(1, end - 1);
    rows.push({
      line: lines[example]!,
      prompt: [...tokens.subarray(begin, first)],
      forced: [...tokens.subarray(first, last + 1)],
      isTarget: Array.from(isTarget.subarray(first, last + 1), (one) => one === 1),
    });
    total += last + 1 - first;
  }
  return rows;
}

/** @throws Fault adapter_invalid for scores that are no numbers */
export async function evaluate(
  engine: Engine,
  adapters: Adapters,
  rows: readonly EvaluatedRow[],
  of: Evaluation['of'],
): Promise<Evaluation> {
  const [base, adapted] = await Promise.all([measure(engine, [], rows), measure(engine, adapters, rows)]);
  return {
    of,
    rows: rows.length,
    loss: { base: meanLoss(base), adapter: meanLoss(adapted) },
    lossDifference: differenceOf(base, adapted),
    accuracy: { base: accuracy(base), adapter: accuracy(adapted) },
  };
}

/** @param onRow told of each row that was measured. @throws Fault adapter_invalid for scores that are no numbers */
export function measure(
  engine: Engine,
  adapters: Adapters,
  rows: readonly EvaluatedRow[],
  onRow: () => void = () => undefined,
): Promise<Measured[]> {
  return Promise.all(
    rows.map(async (row) => {
      const scores = await engine.score(row.prompt, row.forced, adapters);
      onRow();
      return measured(row, scores);
    }),
  );
}

/** Of the loss, mean over rows. */
export const differenceOf = (before: readonly Measured[], after: readonly Measured[]) =>
  meanInterval(after.map((row, i) => lossOf(row) - lossOf(before[i]!)));

export interface Measured {
  /** Sum over its targets, in nats. */
  readonly loss: number;
  readonly targets: number;
  readonly isExact: boolean;
}

function measured({ isTarget }: EvaluatedRow, scores: readonly Score[]): Measured {
  const targets = scores.filter((_score, i) => isTarget[i]);
  return {
    loss: -targets.reduce((sum, { logprob }) => sum + logprob, 0),
    targets: targets.length,
    isExact: targets.every(({ isBest }) => isBest),
  };
}

const lossOf = ({ loss, targets }: Measured): number => loss / targets;

export function meanLoss(rows: readonly Measured[]): number {
  const sum = (of: (row: Measured) => number) => rows.reduce((total, row) => total + of(row), 0);
  return sum(({ loss }) => loss) / sum(({ targets }) => targets);
}

export const accuracy = (rows: readonly Measured[]) =>
  wilsonInterval(rows.filter(({ isExact }) => isExact).length, rows.length);
