/**
 * A step of training adapters over a step of training every weight, in the same engine, batch 4 x 128. The main figure compares
 * the passes alone, forward and back; the other adds the optimiser, which has 27 times as many numbers to change in the full
 * step. Each way is measured in a process of its own, because of its peak memory.
 */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { adamW, clipFactor, globalNorm, parameter } from '../gpu-runner/train/adamw.ts';
import { TrainingSession } from '../gpu-runner/train/training-session.ts';
import { type Figure, median, THREADS } from './measure.ts';
import { open135m, openAdapterSession, openJob, readWeights, stepOf } from './training.ts';

const [ROWS, LENGTH] = [4, 128];
const WARM_UP = 3;
const STEPS = 5;
const WAYS = ['lora', 'lora-checkpointing', 'full'] as const;
type Way = (typeof WAYS)[number];

interface Measured {
  readonly passMs: number;
  readonly stepMs: number;
  readonly peakBytes: number;
}

async function adapterSteps(gradientCheckpointing: boolean) {
  const checkpoint = await open135m();
  const session = await openAdapterSession(checkpoint, gradientCheckpointing);
  const job = openJob(checkpoint, 1);
  const step = stepOf(ROWS, LENGTH, checkpoint.config.vocabSize);
  return {
    pass: () => {
      job.begin(step);
      return session.run([job.group()]);
    },
    update: ([result]: Awaited<ReturnType<TrainingSession['run']>>) => void job.receive(result!),
  };
}

async function fullSteps() {
  const checkpoint = await open135m();
  const weights = await readWeights(checkpoint);
  const trained = { modules: [], weights: [...weights.keys()] };
  const session = await TrainingSession.open(checkpoint, trained, { threads: THREADS });
  const step = stepOf(ROWS, LENGTH, checkpoint.config.vocabSize);
  const parameters = new Map([...weights].map(([name, value]) => [name, parameter(value)]));
  const [batch] = step.microBatches;
  let done = 0;
  return {
    pass: () =>
      session.run([{ batch: batch!, targetWeight: step.targetWeight, modules: new Map(), weights }]),
    update: ([result]: Awaited<ReturnType<TrainingSession['run']>>) => {
      const gradients = result!.weightGradients;
      const factor = clipFactor(globalNorm(gradients.values()), 1);
      const settings = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01 };
      done++;
      for (const [name, gradient] of gradients)
        adamW(parameters.get(name)!, gradient, settings, { learningRate: 1e-5, step: done, factor });
    },
  };
}

async function measure(way: Way): Promise<Measured> {
  const { pass, update } = way === 'full' ? await fullSteps() : await adapterSteps(way !== 'lora');
  const [passes, steps]: [number[], number[]] = [[], []];
  for (let i = 0; i < WARM_UP + STEPS; i++) {
    const start = performance.now();
    const results = await pass();
    const between = performance.now();
    update(results);
    passes.push(between - start);
    steps.push(performance.now() - start);
  }
  return {
    passMs: median(passes.slice(WARM_UP)),
    stepMs: median(steps.slice(WARM_UP)),
    peakBytes: 1024 * process.resourceUsage().maxRSS,
  };
}

const self = fileURLToPath(import.meta.url);
if (process.argv[1] === self && process.send) {
  process.send(await measure(process.argv[2] as Way));
  process.disconnect();
}

function measureApart(way: Way): Promise<Measured> {
  return new Promise((resolve, reject) => {
    const child = fork(self, [way]);
    child.once('message', (measured) => resolve(measured as Measured));
    child.once('exit', (code) => code !== 0 && reject(new Error(`${way} ended with ${code}`)));
  });
}

export async function run(): Promise<Figure[]> {
  const lora = await measureApart('lora');
  const frugal = await measureApart('lora-checkpointing');
  const full = await measureApart('full');
  return [
    { key: 'lora_pass_ms', value: lora.passMs, unit: 'ms' },
    { key: 'full_pass_ms', value: full.passMs, unit: 'ms' },
    { key: 'lora_step_over_full_step', value: lora.passMs / full.passMs, unit: 'ratio' },
    { key: 'lora_step_over_full_step_with_optimizer', value: lora.stepMs / full.stepMs, unit: 'ratio' },
    { key: 'lora_peak_bytes', value: lora.peakBytes, unit: 'bytes' },
    { key: 'lora_checkpointing_peak_bytes', value: frugal.peakBytes, unit: 'bytes' },
    { key: 'lora_checkpointing_pass_over_pass', value: frugal.passMs / lora.passMs, unit: 'ratio' },
    { key: 'full_peak_bytes', value: full.peakBytes, unit: 'bytes' },
  ];
}
