/** The engine against transformers and PEFT in float32, on every architecture and with every kind of adapter. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openCheckpoint } from '../model/checkpoint.ts';
import { mergeCheckpoint } from '../model/merge.ts';
import {
  largestDifference,
  openParity,
  openStepper,
  PARITY_NAMES,
  type ParityModel,
  type PromptCase,
} from '../testing/parity.ts';
import type { WeightedAdapter } from './composition.ts';
import { argmax } from './sampling.ts';
import type { SessionStepper } from './stepper.ts';

/** Of logits that lie between about -20 and 20. */
const TOLERANCE = 1e-4;

/** Follows the reference's greedy path. @returns the tokens we would have chosen, and how far our logits were off at worst */
async function follow(
  model: ParityModel,
  stepper: SessionStepper,
  adapters: readonly WeightedAdapter[],
  prompt: PromptCase,
) {
  const { vocabSize } = model.checkpoint.config;
  const reference = model.logits(prompt.promptLogits);
  const sequence = stepper.open(adapters);
  let logits = await stepper.prefill(sequence, prompt.prompt);
  let worst = largestDifference(logits, reference.subarray(reference.length - vocabSize));
  const chosen = [argmax(logits)];
  for (const token of prompt.greedy.slice(0, -1)) {
    logits = (await stepper.decode([sequence], [token]))[0]!;
    chosen.push(argmax(logits));
  }
  worst = Math.max(worst, largestDifference(logits, model.logits(prompt.lastStepLogits)));
  stepper.close(sequence);
  return { chosen, worst };
}

/** Every position of the prompt, one token at a time. */
async function worstOfAllPositions(
  model: ParityModel,
  adapters: readonly WeightedAdapter[],
  { prompt, promptLogits }: PromptCase,
) {
  const { vocabSize } = model.checkpoint.config;
  const reference = model.logits(promptLogits);
  const sequence = model.stepper.open(adapters);
  let worst = 0;
  for (const [i, token] of prompt.entries()) {
    const logits = await model.stepper.prefill(sequence, [token]);
    worst = Math.max(
      worst,
      largestDifference(logits, reference.subarray(i * vocabSize, (i + 1) * vocabSize)),
    );
  }
  model.stepper.close(sequence);
  return worst;
}

describe.each(PARITY_NAMES)('%s', (name) => {
  let model: ParityModel;

  beforeAll(async () => {
    model = await openParity(name);
  });

  afterAll(() => model.stepper.release());

  it('has the logits and the greedy paths of the reference, for the base, each adapter and each mix', async () => {
    for (const { name: what, adapters: weights, prompts } of model.cases) {
      const adapters = await model.adapters(weights);
      for (const prompt of prompts) {
        const { chosen, worst } = await follow(model, model.stepper, adapters, prompt);
        expect(worst, `${what}, ${prompt.prompt.length} tokens`).toBeLessThan(TOLERANCE);
        expect(chosen, `${what}, ${prompt.prompt.length} tokens`).toEqual(prompt.greedy);
        if (prompt.positions === 'all')
          expect(await worstOfAllPositions(model, adapters, prompt), what).toBeLessThan(TOLERANCE);
      }
    }
  });

  it('decodes a batch of different adapters to the tokens that each has alone', async () => {
    const rows = await Promise.all(
      model.cases.map(async ({ adapters, prompts }) => ({
        adapters: await model.adapters(adapters),
        prompt: prompts.at(-1)!,
      })),
    );
    const sequences = rows.map(({ adapters }) => model.stepper.open(adapters));
    let tokens: number[] = [];
    for (const [i, { prompt }] of rows.entries())
      tokens.push(argmax(await model.stepper.prefill(sequences[i]!, prompt.prompt)));
    const chosen = tokens.map((token) => [token]);
    for (let step = 1; step < rows[0]!.prompt.greedy.length; step++) {
      tokens = (await model.stepper.decode(sequences, tokens)).map(argmax);
      for (const [i, token] of tokens.entries()) chosen[i]!.push(token);
    }
    for (const sequence of sequences) model.stepper.close(sequence);
    expect(chosen).toEqual(rows.map(({ prompt }) => prompt.greedy));
  });

  it('computes with merged weights what base and adapter compute together', async () => {
    for (const { name: what, adapters: weights, prompts, mergedPrompts } of model.cases.filter(
      ({ adapters }) => Object.keys(adapters).length > 0,
    )) {
      const target = join(model.checkpoint.folder, `merged-${what}`);
      await mergeCheckpoint(model.checkpoint, await model.adapters(weights), target);
      const merged = await openStepper(await openCheckpoint(target));
      for (const prompt of [...prompts, ...(mergedPrompts ?? [])]) {
        const { chosen, worst } = await follow(model, merged, [], prompt);
        expect(worst, what).toBeLessThan(TOLERANCE);
        expect(chosen, what).toEqual(prompt.greedy);
      }
      await merged.release();
    }
  });
});
