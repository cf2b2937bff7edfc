/** Eight jobs of batch 1 x 128 on one base at once, over the same eight one after another; and the memory of each way. */
import { readFile } from 'node:fs/promises';
import { type Figure, median, note, timed } from './measure.ts';
import { open135m, openAdapterSession, openJob, stepOf, train } from './training.ts';

const JOBS = 8;
const LENGTH = 128;
/** A first few passes reach into memory that the process has not had before. */
const WARM_UP = 3;
const ROUNDS = 5;

async function residentBytes(): Promise<number> {
  const status = await readFile('/proc/self/status', 'utf8');
  return 1024 * Number(/^VmRSS:\s+(\d+) kB/m.exec(status)![1]);
}

export async function run(): Promise<Figure[]> {
  const checkpoint = await open135m();
  const session = await openAdapterSession(checkpoint);
  const jobs = Array.from({ length: JOBS }, (_, seed) => openJob(checkpoint, seed));
  const steps = jobs.map((_, seed) => stepOf(1, LENGTH, checkpoint.config.vocabSize, seed));
  const oneByOne = async () => {
    for (const [i, job] of jobs.entries()) await train(session, [job], [steps[i]!]);
  };
  const atOnce = () => train(session, jobs, steps);
  const [apart, together]: [number[], number[]] = [[], []];
  for (let round = 0; round < WARM_UP; round++) await oneByOne();
  const bytesApart = await residentBytes();
  for (let round = 0; round < WARM_UP; round++) await atOnce();
  const bytesTogether = await residentBytes();
  for (let round = 1; round <= ROUNDS; round++) {
    note(`round ${round} of ${ROUNDS}`);
    apart.push(await timed(oneByOne));
    together.push(await timed(atOnce));
  }
  await session.release();
  return [
    { key: 'eight_jobs_sequential_ms', value: median(apart), unit: 'ms' },
    { key: 'eight_jobs_at_once_ms', value: median(together), unit: 'ms' },
    { key: 'eight_jobs_over_sequential', value: median(apart) / median(together), unit: 'ratio' },
    { key: 'resident_sequential_bytes', value: bytesApart, unit: 'bytes' },
    { key: 'resident_at_once_bytes', value: bytesTogether, unit: 'bytes' },
  ];
}
