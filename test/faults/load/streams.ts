/** Clients that ask for answers, one after another, and look at every chunk. */
import { z } from 'zod';
import { codeOf } from '../client.ts';
import { type Load, sleep } from './load.ts';

export const MAX_TOKENS = 96;
export const PROMPTS = ['What is on the second floor?', 'Tell me of the sea.', 'One, two, three'] as const;

/** Of clients that leave before the end. */
const LEAVES = 0.1;
const LEAVES_WITHIN_MS = 150;
const PAUSE_MS = 60;

/** Of server-sent events. */
const DATA = 'data: ';

/**
 * `finished`: to `[DONE]`. `error`: an error as the last chunk. `refused`: a status and a reason instead of a stream. `broken`: the
 * connection ended. `left`: the client did. `hung`: nothing of that, however long it was waited for.
 */
export type Outcome = 'finished' | 'error' | 'refused' | 'broken' | 'left' | 'hung';

export interface Stream {
  readonly model: string;
  readonly prompt: string;
  readonly beganAt: number;
  endedAt: number;
  outcome: Outcome;
  /** Where there was an answer at all. */
  requestId: string | undefined;
  status: number | undefined;
  /** Of the error; undefined: none, or one that does not say what is wrong. */
  code: string | undefined;
  text: string;
  finishReason: string | undefined;
  usage: { readonly prompt_tokens: number; readonly completion_tokens: number } | undefined;
  detail: string;
}

const Chunk = z.object({
  choices: z.array(
    z.object({ delta: z.object({ content: z.string().optional() }), finish_reason: z.string().nullable() }),
  ),
  usage: z.object({ prompt_tokens: z.int(), completion_tokens: z.int() }).nullish(),
});

/** Asks until the load ends. */
export async function askAgainAndAgain(load: Load, client: number, seen: Stream[]): Promise<void> {
  const random = load.random(client);
  while (load.timeline.ms < load.endsAt) {
    const model = random.pick(load.models);
    const prompt = random.pick(PROMPTS);
    const leavesAfter = random.chance(LEAVES) ? random.between(0, LEAVES_WITHIN_MS) : undefined;
    const stream = await ask(load, model, prompt, leavesAfter);
    seen.push(stream);
    if (stream.outcome !== 'finished' && stream.outcome !== 'left')
      load.timeline.note(
        `stream ${client}`,
        `${stream.outcome} ${stream.status ?? ''} ${stream.code ?? ''} ${stream.detail} (${stream.requestId ?? 'no id'})`,
      );
    await sleep(stream.outcome === 'finished' ? random.between(0, PAUSE_MS) : 2 * PAUSE_MS);
  }
}

export async function ask(
  { client, timeline }: Pick<Load, 'client' | 'timeline'>,
  model: string,
  prompt: string,
  leavesAfter?: number,
): Promise<Stream> {
  const stream: Stream = {
    model,
    prompt,
    beganAt: timeline.ms,
    endedAt: 0,
    outcome: 'broken',
    requestId: undefined,
    status: undefined,
    code: undefined,
    text: '',
    finishReason: undefined,
    usage: undefined,
    detail: '',
  };
  const leave = new AbortController();
  const timer = leavesAfter === undefined ? undefined : setTimeout(() => leave.abort(), leavesAfter);
  try {
    const body = {
      model,
      stream: true,
      stream_options: { include_usage: true },
      max_tokens: MAX_TOKENS,
      temperature: 0,
      messages: [{ role: 'user', content: prompt }],
    };
    await read(await client.send('POST', '/v1/chat/completions', body, leave.signal), stream);
  } catch (error) {
    if (leave.signal.aborted) stream.outcome = 'left';
    else if ((error as Error).name === 'TimeoutError') stream.outcome = 'hung';
    else stream.detail = reasonOf(error);
  } finally {
    clearTimeout(timer);
    stream.endedAt = timeline.ms;
  }
  return stream;
}

async function read(response: Response, stream: Stream): Promise<void> {
  stream.status = response.status;
  stream.requestId = response.headers.get('x-request-id') ?? undefined;
  if (!response.ok) {
    const text = await response.text();
    stream.outcome = 'refused';
    stream.code = codeOf(json(text));
    stream.detail = text.slice(0, 200);
    return;
  }
  let rest = '';
  for await (const piece of response.body!.pipeThrough(
    new TextDecoderStream() as TransformStream<Uint8Array, string>,
  )) {
    const events = (rest + piece).split('\n\n');
    rest = events.pop()!;
    // Comments keep the connection, and tell of a runner that has to start first.
    for (const event of events) if (event.startsWith(DATA)) take(event.slice(DATA.length), stream);
  }
}

function take(data: string, stream: Stream): void {
  if (data === '[DONE]') {
    stream.outcome = 'finished';
    return;
  }
  const body = json(data);
  const code = codeOf(body);
  if (code !== undefined) {
    stream.outcome = 'error';
    stream.code = code;
    stream.detail = data;
    return;
  }
  const { choices, usage } = Chunk.parse(body);
  for (const { delta, finish_reason } of choices) {
    stream.text += delta.content ?? '';
    stream.finishReason ??= finish_reason ?? undefined;
  }
  stream.usage ??= usage ?? undefined;
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function reasonOf(error: unknown): string {
  const { message, cause } = error as Error;
  return cause instanceof Error ? `${message}: ${cause.message}` : message;
}
