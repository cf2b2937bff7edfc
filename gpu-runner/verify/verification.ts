/** Looks at one version: whether it runs, what it changes, whether that is better, and what its update looks like. */
import { join } from 'node:path';
import type { GateProblem, Verdict, VerifyLease } from '../../functions/verify.ts';
import type { Downloads } from '../downloads.ts';
import { Fault } from '../faults.ts';
import { readAdapterFile, WEIGHTS_FILE } from '../model/adapter-file.ts';
import type { Dataset } from '../train/data/dataset.ts';
import { DatasetError, readInThread } from '../train/data/dataset-reader.ts';
import { adviceOf } from './advice.ts';
import { type Adapters, Engine } from './engine.ts';
import { chooseRows, evaluate, MIN_ROWS } from './evaluation.ts';
import type { OpenBase } from './open-base.ts';
import { type SmokePrompt, smokeRun } from './smoke.ts';
import { spectrumOf } from './spectrum.ts';

const PROMPTS = [
  'Hello!',
  'Write a short sentence about the sea.',
  'What is 12 plus 30?',
  'Name three colours.',
];
/** Of the evaluation file, which are closer to what the adapter is for. */
const OWN_PROMPTS = 4;
/** Tokens of a row; what is longer loses its end. */
const MAX_LENGTH = 1024;

/** @throws Fault, Error: the runner is at fault, not the adapter */
export async function lookAt(
  lease: VerifyLease,
  base: OpenBase,
  downloads: Downloads,
  signal: AbortSignal,
): Promise<Verdict> {
  using held = new DisposableStack();
  const { digest, config } = lease.adapter;
  const folder = await downloads.adapter(lease.adapter, held, signal);
  const adapters: Adapters = [{ digest, config, folder, weight: 1 }];
  const notes: string[] = [];
  const problems: GateProblem[] = [];
  const dataset = await rowsOf(lease, base, downloads, held, signal, { notes, problems });
  const engine = new Engine(base.host, signal);
  try {
    const smoke = await smokeRun(engine, adapters, await promptsOf(base, dataset));
    problems.push(...smoke.problems);
    notes.push(...smoke.notes);
    const evaluation =
      dataset && (await evaluate(engine, adapters, chooseRows(dataset), lease.evaluation!.of));
    const modules = await readAdapterFile(join(folder, WEIGHTS_FILE), config, base.checkpoint.config);
    const spectrum = await spectrumOf(base.checkpoint, modules);
    if (spectrum.length === 0)
      notes.push('Its ranks are too large for its spectrum to be worked out in a few seconds.');
    const findings = {
      smoke: smoke.smoke,
      ...(evaluation ? { evaluation } : {}),
      notes,
      spectrum,
      advice: spectrum.length > 0 ? adviceOf(spectrum) : [],
    };
    return { problems, findings };
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== 'adapter_invalid') throw error;
    const detail = `It does not run: ${error.message}.`;
    const problem = { code: 'does_not_run', detail, field: WEIGHTS_FILE };
    return { problems: [...problems, problem], findings: { notes, spectrum: [], advice: [] } };
  }
}

/** The rows to measure with. What is wrong with the publisher's own is a problem of the version. */
async function rowsOf(
  { evaluation }: VerifyLease,
  { checkpoint }: OpenBase,
  downloads: Downloads,
  held: DisposableStack,
  signal: AbortSignal,
  { notes, problems }: { notes: string[]; problems: GateProblem[] },
): Promise<Dataset | undefined> {
  if (!evaluation) {
    notes.push('Not compared with its base: neither the version nor the base has an eval.jsonl.');
    return undefined;
  }
  const complain = (detail: string) => {
    if (evaluation.of === 'base') notes.push(`Not compared with its base, whose ${detail}`);
    else problems.push({ code: 'evaluation_unreadable', detail, field: 'eval.jsonl' });
    return undefined;
  };
  const path = await downloads.data(evaluation.file, held, signal);
  const maxLength = Math.min(MAX_LENGTH, checkpoint.config.contextLength);
  const { folder, endTokens } = checkpoint;
  try {
    const task = { folder, path, endTokens, maxLength };
    const { dataset } = await readInThread(task, () => undefined, signal);
    const { problems: found, examples } = dataset.report;
    const [first] = found.first;
    if (first) return complain(`eval.jsonl, line ${first.line}: ${first.message}.`);
    if (examples >= MIN_ROWS) return dataset;
    notes.push(`Not compared with its base: eval.jsonl has ${examples} rows, and ${MIN_ROWS} say something.`);
    return undefined;
  } catch (error) {
    if (error instanceof DatasetError) return complain(`eval.jsonl cannot be read: ${error.message}.`);
    throw error;
  }
}

async function promptsOf(base: OpenBase, dataset: Dataset | undefined): Promise<SmokePrompt[]> {
  const own = dataset ? chooseRows(dataset).slice(0, OWN_PROMPTS) : [];
  return [
    ...(await Promise.all(PROMPTS.map(async (text) => ({ text, tokens: await base.tokensOf(text) })))),
    ...own
      .filter(({ prompt }) => prompt.length > 0)
      .map(({ prompt, line }) => ({ text: `(eval.jsonl, line ${line})`, tokens: prompt })),
  ];
}
