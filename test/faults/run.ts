/**
 * `node test/faults/run.ts [--seed N] [--runs N]`: runs of a mixed load in which something goes wrong, each drawn from its seed;
 * prints what happened and every invariant that did not hold.
 */
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { Faults } from './episode.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    runs: { type: 'string', default: '1' },
    /** Where to write what the processes logged, where a run fails. */
    logs: { type: 'string' },
    quiet: { type: 'boolean', default: false },
  },
});
const first = Number(values.seed);
const runs = Number(values.runs);

/** Ctrl-C ends it after the run that is under way, so that no process is left behind. */
let stopping = false;
process.once('SIGINT', () => {
  stopping = true;
});

const faults = await Faults.start();
let [done, failed] = [0, 0];
try {
  for (let seed = first; seed < first + runs && !stopping; seed++) {
    const run = await faults.run(seed);
    done++;
    if (run.violations.length > 0) failed++;
    if (run.violations.length > 0 || !values.quiet) process.stdout.write(`${run.story}\n`);
    process.stdout.write(`${run.summary}\n`);
    if (run.violations.length > 0)
      process.stdout.write(
        `seed ${seed} FAILED; again: node test/faults/run.ts --seed ${seed}\n${run.violations.map((what) => `  ${what}`).join('\n')}\n`,
      );
    if (run.violations.length > 0 && values.logs) await writeFile(`${values.logs}-${seed}.log`, faults.logs);
  }
} finally {
  await faults.stop();
}
process.stdout.write(`${done} runs, ${failed} with violations\n`);
process.exit(failed > 0 ? 1 : 0);
