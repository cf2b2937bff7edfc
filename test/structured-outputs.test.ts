/** Answers that are held to a schema, as OpenAI's clients ask for them. */
import { Ajv2020 } from 'ajv/dist/2020.js';
import type OpenAI from 'openai';
import { APIError } from 'openai';
import { zodResponseFormat } from 'openai/helpers/zod';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { z } from 'zod';
import { TestServer } from './harness.ts';

let server: TestServer;

beforeAll(async () => {
  server = await TestServer.start();
});

afterAll(() => server.remove());

type Format = OpenAI.ChatCompletionCreateParams['response_format'];

const messages = [{ role: 'user' as const, content: 'Ada is 36 and in a good mood.' }];
const ask = (
  model: string,
  format: Format,
  more: Partial<OpenAI.ChatCompletionCreateParamsNonStreaming> = {},
) =>
  server.openai().chat.completions.create({
    model,
    messages,
    max_tokens: 200,
    temperature: 1,
    seed: 7,
    ...(format ? { response_format: format } : {}),
    ...more,
  });

const Person = z.object({
  name: z.string().max(12),
  age: z.int().min(0).max(120),
  mood: z.enum(['good', 'bad']).nullable(),
  share: z.number().min(0).max(1),
});

it.each(['patchbay/tiny', 'patchbay/json'])(
  '%s answers what the client can parse, at any temperature',
  async (model) => {
    const parsed = await server.openai().chat.completions.parse({
      model,
      messages,
      temperature: 1,
      seed: 3,
      n: 2,
      max_tokens: 200,
      response_format: zodResponseFormat(Person, 'person'),
    });
    expect(parsed.choices).toHaveLength(2);
    for (const { message, finish_reason } of parsed.choices) {
      expect(finish_reason).toBe('stop');
      expect(Person.safeParse(message.parsed).success, message.content ?? '').toBe(true);
    }
  },
);

it('streams the same as in one piece, with the log-probabilities of the model itself', async () => {
  const format = zodResponseFormat(Person, 'person');
  const whole = await ask('patchbay/json', format, { logprobs: true, top_logprobs: 1 });
  const stream = server.openai().chat.completions.stream({
    model: 'patchbay/json',
    messages,
    max_tokens: 200,
    temperature: 1,
    seed: 7,
    response_format: format,
  });
  expect(await stream.finalContent()).toBe(whole.choices[0]!.message.content);
  const told = whole.choices[0]!.logprobs!.content!;
  expect(told.every(({ logprob }) => Number.isFinite(logprob))).toBe(true);
  // What the model would have said itself is not always what it may say.
  expect(told.some(({ token, top_logprobs }) => token !== top_logprobs[0]!.token)).toBe(true);
});

it('an answer may be any object, and what does not end is cut', async () => {
  const { choices } = await ask('patchbay/tiny', { type: 'json_object' }, { n: 4 });
  for (const { message, finish_reason } of choices)
    if (finish_reason === 'stop') expect(JSON.parse(message.content!)).toBeTypeOf('object');
  const cut = await ask('patchbay/tiny', { type: 'json_object' }, { max_tokens: 2 });
  expect(cut.choices[0]).toMatchObject({ finish_reason: 'length', message: { content: /^\{/ } });
});

it('answers beside it are what they are alone, and the other way round', async () => {
  const schema = {
    type: 'object',
    properties: { a: { type: 'string', maxLength: 20 }, b: { type: 'integer' } },
  };
  const format: Format = { type: 'json_schema', json_schema: { name: 'a', schema } };
  const free = () => ask('patchbay/json', undefined, { logprobs: true });
  const held = () => ask('patchbay/json', format, { logprobs: true });
  const [alone, heldAlone] = [await free(), await held()];
  const together = await Promise.all([held(), free(), held(), free()]);
  for (const [i, { choices }] of together.entries())
    expect(choices).toEqual((i % 2 === 0 ? heldAlone : alone).choices);
  expect(new Ajv2020().validate(schema, JSON.parse(heldAlone.choices[0]!.message.content!))).toBe(true);
});

it.each([
  [{ type: 'xml' }, 'response_format.type'],
  [{ type: 'json_schema' }, 'response_format.json_schema'],
  [{ type: 'json_schema', json_schema: { name: 'a b' } }, 'response_format.json_schema.name'],
  [
    { type: 'json_schema', json_schema: { name: 'a', schema: { properties: { a: { type: 'string' } } } } },
    'response_format.json_schema.schema.type',
  ],
  [
    {
      type: 'json_schema',
      json_schema: {
        name: 'a',
        schema: { type: 'object', properties: { a: { type: 'string', pattern: 'x' } } },
      },
    },
    'response_format.json_schema.schema.properties.a.pattern',
  ],
])('%j is refused by what is wrong', async (format, param) => {
  const error = await ask('patchbay/tiny', format as Format).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(APIError);
  expect(error).toMatchObject({ status: 400, param });
});
