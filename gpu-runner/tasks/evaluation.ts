/** Measures a model, beside its base, on the rows that a user named. */
import type { EvaluateEvent, EvaluateResult } from '../../functions/evaluate.ts';
import { type TaskContext, TaskRefusal } from '../../functions/tasks.ts';
import type { Downloads } from '../downloads.ts';
import { DatasetError, readInThread } from '../train/data/dataset-reader.ts';
import { type Adapters, Engine } from '../verify/engine.ts';
import {
  accuracy,
  chooseRows,
  differenceOf,
  type EvaluatedRow,
  type Limits,
  type Measured,
  meanLoss,
  measure,
} from '../verify/evaluation.ts';
import type { OpenBase } from '../verify/open-base.ts';

/** Minutes, for a small base without a GPU. */
const LIMITS: Limits = { rows: 1024, tokens: 65_536 };
/** Tokens of a row; what is longer loses its end. */
const MAX_LENGTH = 2048;

/** @throws TaskRefusal, Fault */
export async function measureModel(
  { adapters, rows: source }: EvaluateEvent,
  base: OpenBase,
  downloads: Downloads,
  { signal, report }: TaskContext,
): Promise<EvaluateResult> {
  using held = new DisposableStack();
  const fetched: Adapters = await Promise.all(
    adapters.map(async ({ digest, config, weight, weights }) => {
      return { digest, config, weight, folder: await downloads.adapter({ digest, weights }, held, signal) };
    }),
  );
  const rows = await readRows(await downloads.data(source.file, held, signal), base, signal);
  const total = rows.length * (fetched.length > 0 ? 2 : 1);
  let done = 0;
  const engine = new Engine(base.host, signal);
  const measured = (which: Adapters) =>
    measure(engine, which, rows, () => report({ what: 'rows', done: ++done, total }));
  const before = await measured([]);
  const after = fetched.length > 0 ? await measured(fetched) : undefined;
  const tokens = before.reduce((sum, { targets }) => sum + targets, 0);
  return {
    of: source.of,
    rows: rows.length,
    tokens,
    base: shown(before),
    model: after ? shown(after) : null,
    gain: after ? differenceOf(after, before) : null,
  };
}

const shown = (rows: readonly Measured[]) => ({ loss: meanLoss(rows), accuracy: accuracy(rows) });

/** @throws TaskRefusal */
async function readRows(
  path: string,
  { checkpoint }: OpenBase,
  signal: AbortSignal,
): Promise<EvaluatedRow[]> {
  const { folder, endTokens, config } = checkpoint;
  const maxLength = Math.min(MAX_LENGTH, config.contextLength);
  try {
    const { dataset } = await readInThread({ folder, path, endTokens, maxLength }, () => undefined, signal);
    const { problems, examples } = dataset.report;
    const [first] = problems.first;
    if (first) throw unreadable(`line ${first.line}: ${first.message}`);
    if (examples === 0) throw unreadable('no row has anything to foretell');
    return chooseRows(dataset, LIMITS);
  } catch (error) {
    if (error instanceof DatasetError) throw unreadable(error.message);
    throw error;
  }
}

const unreadable = (why: string) =>
  new TaskRefusal({ code: 'rows_unreadable', message: `The rows cannot be used: ${why}.`, field: 'file' });
