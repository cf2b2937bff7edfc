import { expect, it } from 'vitest';
import type { AnswerEvent } from '../../functions/generate.ts';
import { RunnerFailure } from '../runner-client.ts';
import { chatShape, collect, type ShapeOf, stream } from './answers.ts';

const shapeOf: ShapeOf = (fingerprint) =>
  chatShape({ id: 'chatcmpl-1', created: 1, model: 'a/b', fingerprint }, false);

/** An adapter whose scores overflow in the middle of an answer. */
async function* broken(): AsyncGenerator<AnswerEvent> {
  yield { type: 'start', promptTokens: 1, fingerprint: 'fp_0123456789' };
  yield { type: 'delta', index: 0, text: 'one' };
  throw new RunnerFailure('adapter_invalid', 'the scores overflow', { field: 'model' });
}

const refusal = { status: 422, code: 'refused', message: 'the scores overflow', field: 'model' };

it('an answer that breaks says why, whole or streamed, as it would have before it began', async () => {
  await expect(collect(broken(), 1, shapeOf)).rejects.toMatchObject(refusal);
  const chunks = stream(broken(), 1, shapeOf, false);
  expect((await chunks.next()).value).toMatchObject({ system_fingerprint: 'fp_0123456789' });
  expect((await chunks.next()).value).toMatchObject({ choices: [{ delta: { content: 'one' } }] });
  await expect(chunks.next()).rejects.toMatchObject(refusal);
});

async function* short(): AsyncGenerator<AnswerEvent> {
  yield { type: 'start', promptTokens: 2 };
  yield { type: 'delta', index: 0, text: 'one' };
  yield { type: 'finish', index: 0, reason: 'stop', completionTokens: 3 };
}

it('a stream whose usage is asked for has the field in every chunk, and null before the last', async () => {
  const usages = async (included: boolean) => {
    const chunks = await Array.fromAsync(stream(short(), 1, shapeOf, included));
    return chunks.map((chunk) => (chunk as { usage?: unknown }).usage);
  };
  expect(await usages(true)).toEqual([
    null,
    null,
    null,
    { prompt_tokens: 2, completion_tokens: 3, total_tokens: 5 },
  ]);
  expect(await usages(false)).toEqual([undefined, undefined, undefined]);
});
