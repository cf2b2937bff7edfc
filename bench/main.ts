/**
 * `npm run bench -- NAME [--json]`: measures one thing, with its peer in the same run, and prints the figures that
 * docs/benchmarks.md keeps. With --json the last line is `{"name":…,"figures":[{"key":…,"value":…,"unit":…}]}`.
 */
import type { Figure } from './measure.ts';

const BENCHES: Readonly<Record<string, () => Promise<{ run(args: readonly string[]): Promise<Figure[]> }>>> =
  {
    decode: () => import('./decode.ts'),
    adapters: () => import('./adapters.ts'),
    sampling: () => import('./sampling.ts'),
    start: () => import('./start.ts'),
    train: () => import('./train.ts'),
    'lora-vs-full': () => import('./lora-vs-full.ts'),
    concurrent: () => import('./concurrent.ts'),
    ranks: () => import('./ranks.ts'),
    catalog: () => import('./catalog.ts'),
    resolve: () => import('./resolve.ts'),
    publish: () => import('./publish.ts'),
    fuzz: () => import('./fuzz.ts'),
    web: () => import('./web.ts'),
    faults: () => import('./faults.ts'),
    load: () => import('./load.ts'),
    soak: () => import('./soak.ts'),
    fleet: () => import('./fleet.ts'),
    scale: () => import('./scale.ts'),
    observe: () => import('./observe.ts'),
    edge: () => import('./edge.ts'),
  };

const [name = '', ...rest] = process.argv.slice(2);
const bench = BENCHES[name];
if (!bench) {
  process.stderr.write(`bench: ${name || 'no name'} is not one of ${Object.keys(BENCHES).join(', ')}\n`);
  process.exit(2);
}
const figures = await (await bench()).run(rest);
for (const { key, value, unit } of figures)
  process.stdout.write(`${key.padEnd(44)} ${value.toFixed(3)} ${unit}\n`);
if (rest.includes('--json')) process.stdout.write(`${JSON.stringify({ name, figures })}\n`);
process.exit(0);
