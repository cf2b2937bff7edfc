/** Is it better than its base, on rows that it has not learnt from? */
import type { Findings } from '../../functions/verify.ts';
import type { AdapterOnDisk } from '../serve/adapter-cache.ts';
import type { Dataset } from '../train/data/dataset.ts';
import type { Engine, Score } from './engine.ts';
import { meanInterval, wilsonInterval } from './intervals.ts';

const MAX_ROWS = 64;
/** Fewer say nothing that an interval could be given for. */
export const MIN_ROWS = 8;
/** Of all rows, to be foretold: bounds the time. */
const MAX_TOKENS = 4096;

type Evaluation = NonNullable<Findings['evaluation']>;

/** What comes before the first token to be foretold, what comes from there on, and which of that counts. */
interface EvaluatedRow {
  /** Of the file, from 1. */
  readonly line: number;
  readonly prompt: readonly number[];
  readonly forced: readonly number[];
  readonly isTarget: readonly boolean[];
}

/** Evenly over the file, as many as the bounds allow. */
export function chooseRows({ tokens, isTarget, offsets, lines, report }: Dataset): EvaluatedRow[] {
  const count = Math.min(MAX_ROWS, report.examples);
  const rows: EvaluatedRow[] = [];
  let total = 0;
  for (let i = 0; i < count && total < MAX_TOKENS; i++) {
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
  adapter: AdapterOnDisk,
  rows: readonly EvaluatedRow[],
  of: Evaluation['of'],
): Promise<Evaluation> {
  const measure = (who: AdapterOnDisk | undefined) =>
    Promise.all(rows.map(async (row) => measured(row, await engine.score(row.prompt, row.forced, who))));
  const [base, adapted] = await Promise.all([measure(undefined), measure(adapter)]);
  return {
    of,
    rows: rows.length,
    loss: { base: meanLoss(base), adapter: meanLoss(adapted) },
    lossDifference: meanInterval(adapted.map((row, i) => lossOf(row) - lossOf(base[i]!))),
    accuracy: { base: accuracy(base), adapter: accuracy(adapted) },
  };
}

interface Measured {
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

function meanLoss(rows: readonly Measured[]): number {
  const sum = (of: (row: Measured) => number) => rows.reduce((total, row) => total + of(row), 0);
  return sum(({ loss }) => loss) / sum(({ targets }) => targets);
}

const accuracy = (rows: readonly Measured[]) =>
  wilsonInterval(rows.filter(({ isExact }) => isExact).length, rows.length);
