/** Runner events as OpenAI's response bodies and stream chunks. Shapes: reference of the OpenAI API, chat and completions. */
import type { AnswerEvent, TokenLogprob } from '../../functions/generate.ts';

type Delta = Extract<AnswerEvent, { type: 'delta' }>;
type Token = NonNullable<Delta['tokens']>[number];

export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
}

export interface AnswerShape {
  /** The body of an answer that is complete. */
  whole(answers: readonly WholeAnswer[], usage: Usage): unknown;
  /** Chunks of a stream: the first of an answer, one of text, the last of an answer, and the usage at the end. */
  opening(index: number): object | undefined;
  text(index: number, text: string, tokens: readonly Token[] | undefined, offset: number): object;
  closing(index: number, reason: string): object;
  usage(usage: Usage): object;
}

export interface WholeAnswer {
  text: string;
  tokens: Token[];
  reason: string;
}

export interface Envelope {
  readonly id: string;
  readonly created: number;
  readonly model: string;
  readonly fingerprint: string | undefined;
}

/** @param fingerprint of what answers, which is known when it begins to */
export type ShapeOf = (fingerprint: string | undefined) => AnswerShape;

export function chatShape({ id, created, model, fingerprint }: Envelope, logprobs: boolean): AnswerShape {
  const envelope = { id, created, model, system_fingerprint: fingerprint };
  const content = (tokens: readonly Token[] | undefined) =>
    logprobs ? { content: (tokens ?? []).map(chatLogprob), refusal: null } : null;
  const chunk = (choices: unknown[], usage?: Usage) => ({
    ...envelope,
    object: 'chat.completion.chunk',
    choices,
    ...(usage ? { usage } : {}),
  });
  return {
    whole: (answers, usage) => ({
      ...envelope,
      object: 'chat.completion',
      choices: answers.map(({ text, tokens, reason }, index) => ({
        index,
        message: { role: 'assistant', content: text, refusal: null },
        logprobs: content(tokens),
        finish_reason: reason,
      })),
      usage,
    }),
    opening: (index) =>
      chunk([{ index, delta: { role: 'assistant', content: '' }, logprobs: null, finish_reason: null }]),
    text: (index, text, tokens) =>
      chunk([{ index, delta: { content: text }, logprobs: content(tokens), finish_reason: null }]),
    closing: (index, reason) => chunk([{ index, delta: {}, logprobs: null, finish_reason: reason }]),
    usage: (usage) => chunk([], usage),
  };
}

function chatLogprob(token: Token) {
  const one = ({ text, bytes, logprob }: TokenLogprob) => ({ token: text, bytes, logprob });
  return { ...one(token), top_logprobs: token.top.map(one) };
}

export function completionShape(
  { id, created, model, fingerprint }: Envelope,
  logprobs: boolean,
  echo: string,
): AnswerShape {
  const envelope = { id, object: 'text_completion', created, model, system_fingerprint: fingerprint };
  const listed = (tokens: readonly Token[] | undefined, offset: number) =>
    logprobs ? completionLogprobs(tokens ?? [], offset) : null;
  const chunk = (choices: unknown[], usage?: Usage) => ({
    ...envelope,
    choices,
    ...(usage ? { usage } : {}),
  });
  return {
    whole: (answers, usage) => ({
      ...envelope,
      choices: answers.map(({ text, tokens, reason }, index) => ({
        index,
        text: echo + text,
        logprobs: listed(tokens, echo.length),
        finish_reason: reason,
      })),
      usage,
    }),
    opening: (index) =>
      echo ? chunk([{ index, text: echo, logprobs: null, finish_reason: null }]) : undefined,
    text: (index, text, tokens, offset) =>
      chunk([{ index, text, logprobs: listed(tokens, echo.length + offset), finish_reason: null }]),
    closing: (index, reason) => chunk([{ index, text: '', logprobs: null, finish_reason: reason }]),
    usage: (usage) => chunk([], usage),
  };
}

function completionLogprobs(tokens: readonly Token[], offset: number) {
  let at = offset;
  const offsets = tokens.map(({ text }) => {
    const here = at;
    at += text.length;
    return here;
  });
  return {
    tokens: tokens.map(({ text }) => text),
    token_logprobs: tokens.map(({ logprob }) => logprob),
    // The chosen one is among them, whether it is one of the best or not.
    top_logprobs: tokens.map(({ top, ...chosen }) =>
      Object.fromEntries([...top, chosen].map(({ text, logprob }) => [text, logprob])),
    ),
    text_offset: offsets,
  };
}

/** Waits for the whole answer. @throws ApiError where the stream broke */
export async function collect(
  events: AsyncGenerator<AnswerEvent>,
  n: number,
  shapeOf: ShapeOf,
): Promise<unknown> {
  let shape = shapeOf(undefined);
  const answers: WholeAnswer[] = Array.from({ length: n }, () => ({ text: '', tokens: [], reason: 'stop' }));
  const usage = newUsage();
  for await (const event of events) {
    count(usage, event);
    if (event.type === 'start') shape = shapeOf(event.fingerprint);
    else if (event.type === 'delta') {
      const answer = answers[event.index]!;
      answer.text += event.text;
      answer.tokens.push(...(event.tokens ?? []));
    } else if (event.type === 'finish') answers[event.index]!.reason = event.reason;
  }
  return shape.whole(answers, usage);
}

/** The chunks of a streamed answer, one by one. @throws ApiError where the stream broke */
export async function* stream(
  events: AsyncGenerator<AnswerEvent>,
  n: number,
  shapeOf: ShapeOf,
  includeUsage: boolean,
): AsyncGenerator<unknown> {
  const usage = newUsage();
  const offsets = new Array<number>(n).fill(0);
  let shape = shapeOf(undefined);
  // Who asks for the usage finds the field in every chunk, and null before the last.
  const told = (chunk: object) => (includeUsage ? { ...chunk, usage: null } : chunk);
  for await (const event of events) {
    count(usage, event);
    if (event.type === 'start') {
      shape = shapeOf(event.fingerprint);
      for (let index = 0; index < n; index++) {
        const opening = shape.opening(index);
        if (opening) yield told(opening);
      }
    } else if (event.type === 'delta') {
      if (!event.text && !event.tokens?.length) continue;
      yield told(shape.text(event.index, event.text, event.tokens, offsets[event.index]!));
      // Text may be held back that could become a stop string; its tokens are told.
      const pieces = event.tokens ?? [event];
      offsets[event.index]! += pieces.reduce((sum, { text }) => sum + text.length, 0);
    } else if (event.type === 'finish') yield told(shape.closing(event.index, event.reason));
  }
  if (includeUsage) yield shape.usage(usage);
}

function newUsage(): Usage {
  return { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 };
}

function count(usage: Usage, event: AnswerEvent): void {
  if (event.type === 'start') usage.prompt_tokens = event.promptTokens;
  if (event.type === 'finish') usage.completion_tokens += event.completionTokens;
  usage.total_tokens = usage.prompt_tokens + usage.completion_tokens;
}
