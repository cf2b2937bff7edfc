/**
 * Training tokens per second against PEFT and PyTorch, eager and compiled, float32, on the same cores: rank 16 on all linears of
 * the 135M shape, AdamW included, 4 x 128 and 1 x 512 tokens. They take turns, each in a process of its own, and the medians of
 * the rounds are compared.
 */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { checkpoint135m, type Figure, median, note, peer, THREADS, timed } from './measure.ts';
import { open135m, openAdapterSession, openJob, stepOf, train } from './training.ts';

const ROUNDS = 3;
const WARM_UP = 3;
const STEPS = 8;
const SHAPES = ['4x128', '1x512'] as const;
const WAYS = ['patchbay', 'peft_eager', 'peft_compile'] as const;

const Measured = z.object({ tokens_per_s: z.number(), peak_bytes: z.number() });
type Measured = z.infer<typeof Measured>;

const sizesOf = (shape: string) => shape.split('x').map(Number) as [rows: number, length: number];

async function measureOurs(shape: string): Promise<Measured> {
  const [rows, length] = sizesOf(shape);
  const checkpoint = await open135m();
  const session = await openAdapterSession(checkpoint);
  const job = openJob(checkpoint, 1);
  const step = stepOf(rows, length, checkpoint.config.vocabSize);
  const times: number[] = [];
  for (let i = 0; i < WARM_UP + STEPS; i++) times.push(await timed(() => train(session, [job], [step])));
  const tokens_per_s = (1000 * rows * length) / median(times.slice(WARM_UP));
  return { tokens_per_s, peak_bytes: 1024 * process.resourceUsage().maxRSS };
}

const self = fileURLToPath(import.meta.url);
if (process.argv[1] === self && process.send) {
  process.send(await measureOurs(process.argv[2]!));
  process.disconnect();
}

function measureApart(shape: string): Promise<Measured> {
  return new Promise((resolve, reject) => {
    const child = fork(self, [shape]);
    child.once('message', (measured) => resolve(Measured.parse(measured)));
    child.once('exit', (code) => code !== 0 && reject(new Error(`training ended with ${code}`)));
  });
}

async function measure(way: (typeof WAYS)[number], shape: string): Promise<Measured> {
  if (way === 'patchbay') return measureApart(shape);
  const [rows, length] = sizesOf(shape);
  const mode = way.replace('peft_', '');
  const sizes = ['--batch', String(rows), '--length', String(length)];
  const settings = ['--mode', mode, ...sizes, '--threads', String(THREADS), '--steps', String(STEPS)];
  return Measured.parse(await peer('train_peft.py', [await checkpoint135m(), ...settings]));
}

export async function run(): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const shape of SHAPES) {
    const measured: Record<(typeof WAYS)[number], Measured[]> = {
      patchbay: [],
      peft_eager: [],
      peft_compile: [],
    };
    for (let round = 1; round <= ROUNDS; round++) {
      note(`${shape}: round ${round} of ${ROUNDS}`);
      for (const way of WAYS) measured[way].push(await measure(way, shape));
    }
    const speed = (way: (typeof WAYS)[number]) =>
      median(measured[way].map(({ tokens_per_s }) => tokens_per_s));
    const suffix = shape === SHAPES[0] ? '' : `_${shape}`;
    for (const way of WAYS) {
      const peak = Math.max(...measured[way].map(({ peak_bytes }) => peak_bytes));
      figures.push({ key: `${way}_${shape}_tokens_per_s`, value: speed(way), unit: 'tokens/s' });
      figures.push({ key: `${way}_${shape}_peak_bytes`, value: peak, unit: 'bytes' });
    }
    for (const way of ['peft_eager', 'peft_compile'] as const)
      figures.push({
        key: `train_over_${way}${suffix}`,
        value: speed('patchbay') / speed(way),
        unit: 'ratio',
      });
  }
  return figures;
}
