/**
 * OpenAI's request bodies, as its clients send them. Fields that mean nothing here (user, store, metadata...) are
 * ignored; fields that ask for something we do not do, and those that nobody knows, are refused by name, because ignoring
 * them would answer another question than was asked.
 */
import { z } from 'zod';
import { nearestName } from '../../adapter/nearest-name.ts';
import { AnswerSchema } from '../../functions/answer-schema.ts';
import type { Sampling } from '../../functions/generate.ts';
import { ApiError } from '../errors.ts';
import { parseInput } from '../request.ts';

const TextPart = z.object({ type: z.literal('text'), text: z.string() });
const Content = z.union(
  [
    z.string(),
    z
      .array(TextPart)
      .min(1)
      .transform((parts) => parts.map(({ text }) => text).join('')),
  ],
  'must be text, or parts of type text: images, audio and files are not supported',
);

const Message = z
  .object({
    role: z.enum(['system', 'developer', 'user', 'assistant', 'tool']),
    /** Only an assistant may have said nothing. */
    content: Content.nullish(),
    name: z.string().max(64).optional(),
    tool_calls: z.array(z.unknown()).max(0, 'calls of tools are not supported').nullish(),
  })
  .refine(({ role, content }) => role === 'assistant' || content != null, {
    path: ['content'],
    message: 'is missing: a message needs text, unless it is of the assistant',
  });

const stopString = z.string().min(1).max(256);
const stop = z
  .union(
    [stopString.transform((one) => [one]), z.array(stopString).max(4)],
    'must be a text of 1 to 256 characters, or up to 4 of them',
  )
  .nullish();
const nullable = <T extends z.ZodType>(type: T) => type.nullish();

const Shared = z.looseObject({
  model: z
    .string()
    .min(1)
    .describe('A base, `owner/name`, `owner/name@3`, or a mix such as `owner/a:0.7+owner/b:0.3`'),
  temperature: nullable(z.number().min(0).max(2)),
  top_p: nullable(z.number().min(0).max(1)),
  top_k: nullable(z.int().min(-1)).describe('-1 or 0: of all tokens'),
  min_p: nullable(z.number().min(0).max(1)).describe(
    'Tokens of at least this part of the likeliest one’s probability',
  ),
  seed: nullable(z.int()).describe('Where given, the same request draws the same tokens again'),
  frequency_penalty: nullable(z.number().min(-2).max(2)),
  presence_penalty: nullable(z.number().min(-2).max(2)),
  logit_bias: nullable(
    z.record(z.string().regex(/^\d+$/, 'keys must be token ids'), z.number().min(-100).max(100)),
  ).describe('By token id'),
  stop,
  n: nullable(z.int().min(1).max(16)),
  stream: nullable(z.boolean()),
  stream_options: nullable(z.looseObject({ include_usage: nullable(z.boolean()) })),
  max_tokens: nullable(z.int().min(1)),
});

/** Without a `schema` it asks for any object. An answer satisfies its schema whatever `strict` says. */
const ResponseFormat = z.discriminatedUnion(
  'type',
  [
    z.strictObject({ type: z.literal('text') }),
    z.strictObject({ type: z.literal('json_object') }),
    z.strictObject({
      type: z.literal('json_schema'),
      json_schema: z.strictObject({
        name: z.string().regex(/^[a-zA-Z0-9_-]{1,64}$/, 'must be 1 to 64 letters, digits, _ and -'),
        description: nullable(z.string()),
        schema: nullable(AnswerSchema),
        strict: nullable(z.boolean()),
      }),
    }),
  ],
  'must be text, json_object or json_schema',
);

export const ChatBody = Shared.extend({
  messages: z.array(Message).min(1).max(2048),
  max_completion_tokens: nullable(z.int().min(1)).describe('Its newer name; it comes before `max_tokens`'),
  logprobs: nullable(z.boolean()),
  top_logprobs: nullable(z.int().min(0).max(20)),
  response_format: nullable(ResponseFormat),
});
export type ChatBody = z.infer<typeof ChatBody>;

export const CompletionBody = Shared.extend({
  prompt: z.union(
    [
      z.string(),
      z.array(z.int().nonnegative()).min(1),
      z.tuple([z.string()]).transform(([one]) => one),
      z.tuple([z.array(z.int().nonnegative()).min(1)]).transform(([one]) => one),
    ],
    'must be one text, or one list of token ids; several prompts are several requests',
  ),
  logprobs: nullable(z.int().min(0).max(5)),
  echo: nullable(z.boolean()),
});
export type CompletionBody = z.infer<typeof CompletionBody>;

type SharedBody = z.infer<typeof Shared>;

/** The best token alone, as at 0, which OpenAI takes. */
const LEAST_TOP_P = 1e-9;

const isEmptyList = (value: unknown) => Array.isArray(value) && value.length === 0;

/** Of OpenAI's protocol, what asks for nothing that could be missing in an answer. */
const IGNORED = [
  'metadata',
  'parallel_tool_calls',
  'prompt_cache_key',
  'prompt_cache_options',
  'prompt_cache_retention',
  'reasoning_effort',
  'safety_identifier',
  'service_tier',
  'store',
  'user',
  'verbosity',
];

/** Fields that ask for something, the values at which they do not, and why they are refused otherwise. */
const UNSUPPORTED: Readonly<Record<string, (value: unknown) => boolean>> = {
  tools: isEmptyList,
  tool_choice: (value) => value === 'none' || value === 'auto',
  functions: isEmptyList,
  function_call: (value) => value === 'none' || value === 'auto',
  moderation: () => false,
  modalities: (value) => JSON.stringify(value) === '["text"]',
  audio: () => false,
  prediction: () => false,
  web_search_options: () => false,
  suffix: (value) => value === '',
  best_of: (value) => value === 1,
  echo: (value) => value === false,
  // Of other servers that speak this protocol (vLLM, TGI, llama.cpp).
  repetition_penalty: (value) => value === 1,
  length_penalty: (value) => value === 1,
  use_beam_search: (value) => value === false,
  min_tokens: (value) => value === 0,
  ignore_eos: (value) => value === false,
  stop_token_ids: isEmptyList,
  include_stop_str_in_output: (value) => value === false,
  skip_special_tokens: (value) => value === true,
  bad_words: isEmptyList,
  allowed_token_ids: () => false,
  guided_json: () => false,
  guided_regex: () => false,
  guided_choice: () => false,
  guided_grammar: () => false,
  structured_outputs: () => false,
  grammar: () => false,
  chat_template: () => false,
  chat_template_kwargs: (value) => JSON.stringify(value) === '{}',
  continue_final_message: (value) => value === false,
  add_generation_prompt: (value) => value === true,
  truncate_prompt_tokens: () => false,
  prompt_logprobs: () => false,
};

/** Of the letters of a name, every third one may be a slip, and no more than so many. */
const MOST_SLIPS = 3;

/** In OpenAI's words. A field that is null asks for nothing, whatever its name. */
function refuseUnknown(body: unknown, fields: readonly string[]): void {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return; // the schema says so
  const known = new Set([...fields, ...IGNORED, ...Object.keys(UNSUPPORTED)]);
  const [field] = Object.entries(body).find(([name, value]) => value !== null && !known.has(name)) ?? [];
  if (field === undefined) return;
  const meant = nearestName(field, fields, Math.min(MOST_SLIPS, Math.floor(field.length / 3)));
  const hint = meant === undefined ? '' : `; did you mean ${meant}?`;
  throw new ApiError('unsupported_parameter', `Unrecognized request argument supplied: ${field}${hint}`, {
    field,
  });
}

/** Of a request for text. @throws ApiError invalid_request or unsupported_parameter, naming the parameter */
export function parseBody<T extends z.ZodObject>(schema: T, body: unknown): z.infer<T> {
  refuseUnknown(body, Object.keys(schema.shape));
  const checked = parseInput(schema, body);
  for (const [field, isHarmless] of Object.entries(UNSUPPORTED)) {
    const value = (checked as Record<string, unknown>)[field];
    if (value != null && !isHarmless(value)) {
      throw new ApiError('unsupported_parameter', `${field} is not supported; leave it out.`, { field });
    }
  }
  return checked;
}

/** What an answer must be, as JSON; undefined: any text. */
export function answerSchemaOf({ response_format: format }: ChatBody): AnswerSchema | undefined {
  if (!format || format.type === 'text') return undefined;
  return (format.type === 'json_schema' && format.json_schema.schema) || { type: 'object' };
}

export function samplingOf(
  body: SharedBody,
  maxTokens: number | undefined,
  topLogprobs: number | undefined,
): Sampling {
  return {
    temperature: body.temperature ?? 1,
    topP: Math.max(LEAST_TOP_P, body.top_p ?? 1),
    topK: Math.max(0, body.top_k ?? 0),
    minP: body.min_p ?? 0,
    frequencyPenalty: body.frequency_penalty ?? 0,
    presencePenalty: body.presence_penalty ?? 0,
    logitBias: body.logit_bias ?? {},
    stop: body.stop ?? [],
    echo: false,
    ...(body.seed == null ? {} : { seed: body.seed }),
    ...(maxTokens === undefined ? {} : { maxTokens }),
    ...(topLogprobs === undefined ? {} : { topLogprobs }),
  };
}
