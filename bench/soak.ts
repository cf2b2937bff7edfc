/**
 * `npm run bench -- soak [--minutes 60]`: a steady, gentle, mixed load, and how the resident memory of the processes changes under
 * it: the median of the last sixth over that of the first sixth after the warm-up.
 */
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Deployment } from '../test/faults/deployment.ts';
import { adapterOf } from '../test/faults/load/publishing.ts';
import { ask, PROMPTS } from '../test/faults/load/streams.ts';
import { RECIPES, train } from '../test/faults/load/training.ts';
import { Random } from '../test/faults/random.ts';
import { Timeline } from '../test/faults/timeline.ts';
import { baseId } from '../test/in-process.ts';
import { type Figure, median, note } from './measure.ts';

const MINUTE = 60_000;
/** Of the whole time, until caches are full and everything was compiled that is called often. */
const WARM_UP = 1 / 3;
const STREAM_MS = 2_000;
const BROWSE_MS = 2_500;
const PUBLISH_MS = 20_000;
const TRAIN_MS = 60_000;
const SAMPLE_MS = 10_000;
const PATHS = ['/api/adapters?q=test', '/api/bases', '/v1/models', '/', '/admin/soak'];

export async function run(args: readonly string[]): Promise<Figure[]> {
  const options = { minutes: { type: 'string', default: '60' }, json: { type: 'boolean' } } as const;
  const { values } = parseArgs({ args: [...args], options });
  const ms = Number(values.minutes) * MINUTE;
  const timeline = new Timeline();
  const deployment = await Deployment.start(timeline);
  try {
    return await soak(deployment, ms);
  } finally {
    await deployment.remove();
  }
}

async function soak(deployment: Deployment, ms: number): Promise<Figure[]> {
  const { timeline, processes } = deployment;
  const client = deployment.client();
  const random = new Random(1, 0);
  const models = [baseId];
  const failures: string[] = [];
  let done = 0;
  timeline.restart();
  const every = async (pause: number, work: (i: number) => Promise<unknown>) => {
    for (let i = 0; timeline.ms < ms; i++) {
      await work(i).then(
        () => done++,
        (error: unknown) => failures.push((error as Error).message),
      );
      await sleep(pause);
    }
  };
  const memory = new Map(processes.map(({ name }) => [name, [] as number[]]));
  const load = {
    client,
    timeline,
    prefix: 'soak',
    endsAt: ms,
    givesUpAt: ms,
    random: (stream: number) => new Random(1, stream),
    models,
  };
  await Promise.all([
    every(STREAM_MS, async () => {
      const { outcome, detail } = await ask(load, random.pick(models.slice(-20)), random.pick(PROMPTS));
      if (outcome !== 'finished') throw new Error(`a stream: ${outcome} ${detail}`);
    }),
    every(BROWSE_MS, async () => {
      const response = await client.send('GET', random.pick(PATHS));
      await response.arrayBuffer();
      if (response.status >= 500) throw new Error(`${response.url}: ${response.status}`);
    }),
    every(PUBLISH_MS, async (i) => {
      await client.publish('/api/adapters/admin/soak/versions', {}, await adapterOf(new Random(i, 9)));
      models.push(`admin/soak@${i + 1}`);
    }),
    every(TRAIN_MS, async (i) => {
      const { status, error } = await train(load, i, i % RECIPES.length, 0);
      if (status !== 'succeeded' && timeline.ms < ms) throw new Error(`a job: ${status} ${error ?? ''}`);
    }),
    every(SAMPLE_MS, async (i) => {
      for (const { name, pid } of processes) memory.get(name)!.push(await residentMib(pid));
      if (i % (MINUTE / SAMPLE_MS) !== 0) return;
      const now = [...memory].map(([name, values]) => `${name} ${values.at(-1)!.toFixed(0)} MiB`).join(', ');
      note(`${(timeline.ms / MINUTE).toFixed(0)} min: ${now}; ${done} done, ${failures.length} failures`);
    }),
  ]);
  for (const failure of new Set(failures)) note(failure);
  return [
    { key: 'soak_minutes', value: ms / MINUTE, unit: 'min' },
    { key: 'soak_failures', value: failures.length, unit: '' },
    ...[...memory].flatMap(([name, values]) => growth(name, values)),
  ];
}

function growth(name: string, values: readonly number[]): Figure[] {
  const warm = values.slice(Math.floor(values.length * WARM_UP));
  const sixth = Math.max(1, Math.floor(warm.length / 6));
  const [first, last] = [median(warm.slice(0, sixth)), median(warm.slice(-sixth))];
  return [
    { key: `${name}_rss_mib`, value: last, unit: 'MiB' },
    { key: `${name}_rss_growth`, value: 100 * (last / first - 1), unit: '%' },
  ];
}

async function residentMib(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)![1]) / 1024;
}
