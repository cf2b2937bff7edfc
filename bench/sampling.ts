/** Drawing one token of a vocabulary of 150,000: with `top_p` or `top_k`, over sorting it once. */
import { Sampling } from '../functions/generate.ts';
import { uniform } from '../gpu-runner/random.ts';
import { Sampler } from '../gpu-runner/serve/sampling.ts';
import { type Figure, median } from './measure.ts';

const VOCABULARY = 150_000;
const ROUNDS = 15;

export async function run(): Promise<Figure[]> {
  const logits = Float32Array.from({ length: VOCABULARY }, (_, id) => 8 * uniform(7, 0, id));
  const drawing = (options: object) => {
    const sampler = new Sampler(Sampling.parse({ temperature: 1, ...options }), 1, 0);
    return () => void sampler.choose(logits.slice());
  };
  const works = {
    sort: () => void Array.from(logits, (weight, id) => ({ id, weight })).sort((a, b) => b.weight - a.weight),
    top_p: drawing({ topP: 0.9 }),
    top_k: drawing({ topK: 1000 }),
    plain: drawing({}),
  };
  const times = Object.fromEntries(Object.keys(works).map((name) => [name, [] as number[]]));
  for (let round = 0; round <= ROUNDS; round++)
    for (const [name, work] of Object.entries(works)) {
      const began = performance.now();
      work();
      if (round > 0) times[name]!.push(performance.now() - began); // the first one compiles
    }
  const ms = (name: keyof typeof works) => median(times[name]!);
  return [
    ...Object.keys(works).map((name) => ({
      key: `${name}_ms`,
      value: ms(name as keyof typeof works),
      unit: 'ms',
    })),
    { key: 'top_p_over_sort', value: ms('top_p') / ms('sort'), unit: 'ratio' },
    { key: 'top_k_over_sort', value: ms('top_k') / ms('sort'), unit: 'ratio' },
  ];
}
