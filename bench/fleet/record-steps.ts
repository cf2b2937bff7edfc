/**
 * Loaded into a runner with `--import`, in front of its own code: writes down what each of its steps was and how long it took, a line
 * for each, into the file that PATCHBAY_BENCH_STEPS names with the number of the process.
 */
import { appendFileSync } from 'node:fs';
import { SessionStepper } from '../../gpu-runner/serve/stepper.ts';

export interface Step {
  /** Milliseconds on the runner's clock. */
  readonly from: number;
  readonly ms: number;
  /** Of a prompt; 0: a step of the running answers. */
  readonly tokens: number;
  readonly rows: number;
  /** Different ones among the rows. */
  readonly adapters: number;
}

const file = process.env['PATCHBAY_BENCH_STEPS'];
const { prefill, decode } = SessionStepper.prototype;

async function timed<T>(
  what: Pick<Step, 'tokens' | 'rows' | 'adapters'>,
  work: () => Promise<T>,
): Promise<T> {
  const from = performance.now();
  const result = await work();
  const step: Step = { from, ms: performance.now() - from, ...what };
  appendFileSync(`${file}.${process.pid}`, `${JSON.stringify(step)}\n`);
  return result;
}

if (file) {
  SessionStepper.prototype.prefill = function (sequence, tokens) {
    return timed({ tokens: tokens.length, rows: 1, adapters: 1 }, () => prefill.call(this, sequence, tokens));
  };
  SessionStepper.prototype.decode = function (sequences, tokens) {
    const adapters = new Set(sequences.map((row) => (row as { composition?: unknown }).composition)).size;
    return timed({ tokens: 0, rows: sequences.length, adapters }, () => decode.call(this, sequences, tokens));
  };
}
