/** `npm run bench -- faults [--runs N] [--first SEED]`: seeded runs in which something goes wrong (docs/faults.md). */
import { parseArgs } from 'node:util';
import { Faults } from '../test/faults/episode.ts';
import { type Figure, note } from './measure.ts';

const RUNS = 500;

export async function run(args: readonly string[]): Promise<Figure[]> {
  const options = {
    runs: { type: 'string', default: String(RUNS) },
    first: { type: 'string', default: '1' },
    json: { type: 'boolean' },
  } as const;
  const { values } = parseArgs({ args: [...args], options });
  const first = Number(values.first);
  const faults = await Faults.start();
  let violations = 0;
  let runs = 0;
  try {
    for (; runs < Number(values.runs); runs++) {
      const { summary, violations: found, story } = await faults.run(first + runs);
      note(found.length > 0 ? `${story}\n${summary}\n${found.join('\n')}` : summary);
      violations += found.length;
    }
  } finally {
    await faults.stop();
  }
  return [
    { key: 'seeded_runs', value: runs, unit: 'runs' },
    { key: 'violations', value: violations, unit: '' },
  ];
}
