/**
 * Many adapters on one runner, 135M shape with random weights: what 2,000 of them cost against 5, both under Zipf traffic, in turns;
 * and how long it takes until the first token of one that is 20 MB large and nowhere but in the object store.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createBlobStore } from '../api/blob-store.ts';
import { startEmbeddedS3 } from '../api/embedded/s3.ts';
import { Adapters, Files } from './fleet/model.ts';
import { type Asked, ask, startRunners } from './fleet/runners.ts';
import { between, Zipf } from './fleet/traffic.ts';
import { draws, type Figure, median, note, THREADS, timed } from './measure.ts';

const SLOTS = 16;
/** What is asked in a round, by as many clients as there are slots. */
const REQUESTS = 64;
const ROUNDS = 7;
const PROMPT_TOKENS = 32;
const ANSWER_TOKENS = 24;
const MANY = 2_000;
const FEW = 5;
/** An adapter as most are published: rank 8 on q and v. */
const COMMON = { rank: 8, modules: ['q_proj', 'v_proj'] };
/** Rank 16 on all seven linears, in float32: 20 MB. */
const LARGE = {
  rank: 16,
  modules: ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'],
};
const COLD = 9;

export async function run(): Promise<Figure[]> {
  const common = new Adapters('common', COMMON.rank, COMMON.modules);
  const files = await Files.open({ common });
  const { fleet, stop } = await startRunners(1, {
    PATCHBAY_RUNNER_THREADS: `${THREADS}`,
    PATCHBAY_RUNNER_MAX_BATCH: `${SLOTS}`,
  });
  try {
    await fleet.loadBase(files.base);
    const cold = await coldStarts(files, (asked) => ask(fleet, asked));
    note(`${cold.toFixed(0)} ms`);
    const draw = draws(1);
    /** @returns seconds that a round took */
    const round = async (adapters: number): Promise<number> => {
      const zipf = new Zipf(adapters);
      const asked: Asked[] = Array.from({ length: REQUESTS }, () => ({
        base: files.base,
        adapters: [files.adapter(common, zipf.rank(draw()))],
        promptTokens: PROMPT_TOKENS,
        // Not all alike: else all answers of a batch end in one step.
        answerTokens: between(draw(), ANSWER_TOKENS / 2, (3 * ANSWER_TOKENS) / 2),
      }));
      const tokens = asked.reduce((sum, { answerTokens }) => sum + answerTokens, 0);
      const client = async () => {
        for (let next = asked.pop(); next; next = asked.pop()) await ask(fleet, next);
      };
      const ms = await timed(() => Promise.all(Array.from({ length: SLOTS }, client)));
      return (1000 * tokens) / ms;
    };
    await round(FEW);
    await round(MANY);
    const [few, many]: [number[], number[]] = [[], []];
    for (let i = 1; i <= ROUNDS; i++) {
      few.push(await round(FEW));
      many.push(await round(MANY));
      note(`round ${i} of ${ROUNDS}: ${few.at(-1)!.toFixed(0)} and ${many.at(-1)!.toFixed(0)} tokens/s`);
    }
    return [
      { key: 'throughput_5', value: median(few), unit: 'tokens/s' },
      { key: 'throughput_2000', value: median(many), unit: 'tokens/s' },
      { key: 'throughput_2000_over_5', value: median(many.map((rate, i) => rate / few[i]!)), unit: 'ratio' },
      { key: 'cold_adapter_ms', value: cold, unit: 'ms' },
    ];
  } finally {
    await stop();
    files.close();
  }
}

/** From the question to the first token, with adapters that the runner has never seen. */
async function coldStarts(
  files: Files,
  answer: (asked: Asked) => Promise<{ firstMs: number }>,
): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'patchbay-bench-'));
  const credentials = {
    accessKeyId: 'bench',
    secretAccessKey: 'secret-of-the-benchmark',
    region: 'us-east-1',
  };
  const s3 = await startEmbeddedS3({ folder, host: '127.0.0.1', port: 0, bucket: 'bench', credentials });
  const blobs = createBlobStore({ endpoint: s3.endpoint, bucket: 'bench', ...credentials });
  await blobs.prepare();
  const large = new Adapters('large', LARGE.rank, LARGE.modules);
  note(`${COLD} adapters of ${(large.bytes / 1e6).toFixed(1)} MB that nobody has asked for before`);
  const times = [];
  for (let i = 0; i < COLD; i++) {
    const source = large.source(i);
    await blobs.put(source.weights.sha256, large.content(i));
    const weights = { ...source.weights, url: await blobs.readUrl(source.weights.sha256) };
    const asked = { base: files.base, adapters: [{ ...source, weights }], promptTokens: 16, answerTokens: 2 };
    times.push((await answer(asked)).firstMs);
  }
  blobs.close();
  await s3.close();
  await rm(folder, { recursive: true, force: true });
  return median(times);
}
