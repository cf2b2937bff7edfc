import { describe, expect, it } from 'vitest';
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
