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

const faults = await Faults.start();
let failed = 0;
try {
  for (let seed = first; seed < first + runs; seed++) {
    const run = await faults.run(seed);
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
process.stdout.write(`${runs} runs, ${failed} with violations\n`);
process.exit(failed > 0 ? 1 : 0);
