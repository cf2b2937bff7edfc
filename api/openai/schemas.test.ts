import { zodResponseFormat } from 'openai/helpers/zod';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { ApiError } from '../errors.ts';
import { ChatBody, CompletionBody, parseBody } from './schemas.ts';

const chat = { model: 'a/b', messages: [{ role: 'user', content: 'Hi' }] };

function refusal(body: object, schema: typeof ChatBody | typeof CompletionBody = ChatBody) {
  try {
    parseBody(schema, body);
  } catch (error) {
    if (error instanceof ApiError)
      return { status: error.status, field: error.field, message: error.message };
    throw error;
  }
  return undefined;
}

describe('an option that nobody knows', () => {
  it.each([
    ['max_token', 'max_tokens'],
    ['maxTokens', 'max_tokens'],
    ['temprature', 'temperature'],
    ['mesages', 'messages'],
    ['topp', 'top_p'],
  ])('%s is refused by name, and %s suggested', (field, meant) => {
    expect(refusal({ ...chat, [field]: 1 })).toEqual({
      status: 400,
      field,
      message: `Unrecognized request argument supplied: ${field}; did you mean ${meant}?`,
    });
  });

  it('is refused without a suggestion where nothing is near', () => {
    expect(refusal({ ...chat, ab: 1 })?.message).toBe('Unrecognized request argument supplied: ab');
    expect(refusal({ ...chat, prompt: 'Hi' })?.field).toBe('prompt');
  });

  it('asks for nothing where it is null', () => {
    expect(refusal({ ...chat, made_up: null })).toBeUndefined();
  });
});

// ChatCompletionCreateParams and CompletionCreateParams of openai 6.49.
it('takes every option of OpenAI that changes nothing here', () => {
  const harmless = {
    frequency_penalty: 0,
    function_call: 'auto',
    functions: [],
    logit_bias: {},
    logprobs: true,
    max_completion_tokens: 8,
    max_tokens: 8,
    metadata: { a: 'b' },
    modalities: ['text'],
    n: 1,
    parallel_tool_calls: true,
    presence_penalty: 0,
    prompt_cache_key: 'a',
    prompt_cache_options: {},
    prompt_cache_retention: '24h',
    reasoning_effort: 'low',
    response_format: { type: 'text' },
    safety_identifier: 'a',
    seed: 1,
    service_tier: 'auto',
    stop: 'x',
    store: true,
    stream: true,
    stream_options: { include_usage: true, include_obfuscation: false },
    temperature: 1,
    tool_choice: 'auto',
    tools: [],
    top_logprobs: 2,
    top_p: 1,
    user: 'a',
    verbosity: 'low',
  };
  expect(refusal({ ...chat, ...harmless })).toBeUndefined();
  const text = { model: 'a/b', prompt: 'Hi', best_of: 1, echo: false, suffix: '', logprobs: 1, user: 'a' };
  expect(refusal(text, CompletionBody)).toBeUndefined();
});

it.each(['audio', 'moderation', 'prediction', 'web_search_options'])(
  'refuses %s, which asks for what is not done here',
  (field) => {
    expect(refusal({ ...chat, [field]: {} })).toMatchObject({
      field,
      message: `${field} is not supported; leave it out.`,
    });
  },
);

describe('a message', () => {
  const saying = (...messages: object[]) => refusal({ ...chat, messages });

  it.each(['system', 'developer', 'user', 'tool'])('of role %s needs content', (role) => {
    for (const message of [{ role }, { role, content: null }])
      expect(saying(message)).toMatchObject({ status: 400, field: 'messages.0.content' });
    expect(saying({ role, content: [] })).toMatchObject({ status: 400, field: 'messages.0.content' });
    expect(saying({ role, content: '' })).toBeUndefined();
    expect(saying({ role, content: [{ type: 'text', text: 'Hi' }] })).toBeUndefined();
  });

  it('of the assistant may have none', () => {
    for (const message of [{ role: 'assistant' }, { role: 'assistant', content: null, tool_calls: [] }])
      expect(saying(...chat.messages, message, ...chat.messages)).toBeUndefined();
  });
});

describe('response_format', () => {
  const schemaOf = (schema: unknown) => ({
    ...chat,
    response_format: { type: 'json_schema', json_schema: { name: 'a', schema } },
  });
  const at = (path: string) => `response_format.json_schema.schema${path}`;

  it('takes what pydantic and zod write', () => {
    const pydantic = {
      $defs: {
        Mood: { enum: ['good', 'bad'], title: 'Mood', type: 'string' },
        Step: {
          additionalProperties: false,
          properties: {
            at: { format: 'date-time', title: 'At', type: 'string' },
            mood: { $ref: '#/$defs/Mood' },
          },
          required: ['at', 'mood'],
          title: 'Step',
          type: 'object',
        },
      },
      additionalProperties: false,
      description: 'Steps.',
      properties: {
        steps: { items: { $ref: '#/$defs/Step' }, title: 'Steps', type: 'array' },
        note: { anyOf: [{ type: 'string' }, { type: 'null' }], title: 'Note' },
        kind: { const: 'a', title: 'Kind', type: 'string' },
      },
      required: ['steps', 'note', 'kind'],
      title: 'Plan',
      type: 'object',
    };
    expect(refusal(schemaOf(pydantic))).toBeUndefined();
    const zod = z.object({
      n: z.int().positive(),
      p: z.number().gt(0),
      m: z.array(z.string().max(9)).min(1),
    });
    expect(refusal({ ...chat, response_format: zodResponseFormat(zod, 'a') })).toBeUndefined();
    expect(refusal({ ...chat, response_format: { type: 'json_object' } })).toBeUndefined();
  });

  it('is not for completions', () => {
    const text = { model: 'a/b', prompt: 'Hi', response_format: { type: 'json_object' } };
    expect(refusal(text, CompletionBody)?.field).toBe('response_format');
  });

  const loop = { $ref: '#/$defs/a', $defs: { a: { anyOf: [{ $ref: '#/$defs/a' }, { type: 'null' }] } } };
  const endless = { type: 'object', properties: { a: { $ref: '#' } }, required: ['a'] };
  let deep: object = { type: 'string' };
  for (let i = 0; i < 40; i++) deep = { type: 'array', items: { type: 'array', items: deep } };

  it.each<[unknown, string]>([
    [{ type: 'objct' }, '.type'],
    [{ minLength: 1 }, '.type'],
    [{ type: 'string', minimum: 1 }, '.minimum'],
    [{ type: 'string', pattern: 'a' }, '.pattern'],
    [{ type: 'string', format: 'uri' }, '.format'],
    [{ type: 'string', minLength: 3, maxLength: 2 }, '.maxLength'],
    [{ type: 'string', maxLength: 257 }, '.maxLength'],
    [{ oneOf: [{}] }, '.oneOf'],
    [{ allOf: [{}] }, '.allOf'],
    [{ anyOf: [{}], type: 'string' }, '.type'],
    [{ anyOf: [] }, '.anyOf'],
    [{ enum: [] }, '.enum'],
    [{ type: 'integer', enum: [1, 'a'] }, '.enum'],
    [{ $ref: '#/$defs/none' }, '.$ref'],
    [{ $ref: 'http://example.org' }, '.$ref'],
    [loop, '.$defs.a'],
    [endless, ''],
    [{ type: 'object', required: ['a'] }, '.required'],
    [{ type: 'object', properties: { a: {} }, additionalProperties: true }, '.additionalProperties'],
    [{ type: 'object', properties: { a: { $defs: {}, type: 'null' } } }, '.properties.a.$defs'],
    [{ type: 'array', uniqueItems: true }, '.uniqueItems'],
    [{ type: 'integer', minimum: 5, maximum: 4 }, ''],
    [{ type: 'integer', exclusiveMinimum: 4, exclusiveMaximum: 5 }, ''],
    [{ type: 'number', multipleOf: 2 }, '.multipleOf'],
    [{ type: 'number', minimum: 0.0000001 }, '.minimum'],
    [{ type: 'string', title: 'x'.repeat(70_000) }, ''],
  ])('refuses %j by its path', (schema, path) => {
    expect(refusal(schemaOf(schema))).toMatchObject({ status: 400, field: at(path) });
  });

  it('refuses what is too deep', () => {
    expect(refusal(schemaOf(deep))?.field).toMatch(/^response_format\.json_schema\.schema\.items/);
  });
});
