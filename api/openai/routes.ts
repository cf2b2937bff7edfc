/** OpenAI's protocol: models, chat completions, completions. Its clients need nothing changed but baseURL, key and model. */
import { Hono } from 'hono';
import { type SSEStreamingApi, streamSSE } from 'hono/streaming';
import { findBase, listBases } from '../../db/bases.ts';
import { newestModels } from '../../db/catalog.ts';
import type { AnswerEvent } from '../../functions/generate.ts';
import { onLeaving } from '../../functions/leaving.ts';
import { count } from '../../observe/metrics.ts';
import { findVisible, privateOf } from '../access.ts';
import type { Log } from '../app.ts';
import type { Principal } from '../auth.ts';
import { type AppEnv, requirePrincipal } from '../context.ts';
import { ApiError } from '../errors.ts';
import { logged } from '../failure-log.ts';
import { type Invocation, type InvokeDeps, invoke, parseSingle } from '../invoke.ts';
import type { Outlive } from '../outlive.ts';
import { readJsonBody } from '../request.ts';
import { chatShape, collect, completionShape, type Envelope, type ShapeOf, stream } from './answers.ts';
import { answerSchemaOf, ChatBody, CompletionBody, parseBody, samplingOf } from './schemas.ts';

/** Keys of these scopes see models here: those that invoke, too. */
export const SEEING = ['read', 'infer'] as const;
/** `GET /v1/models` has no pages in OpenAI's protocol; a catalog is browsed at /api/adapters. */
const MAX_LISTED = 1000;
/** OpenAI's default for completions; chat answers run until they end. */
const COMPLETION_MAX_TOKENS = 16;

/** A stream whose runner is still to come begins after this long, and again after this long says that it waits. */
const WAIT_MS = 2_000;
/** A comment of server-sent events, which no client takes for an answer. */
const STILL_WAITING = ': waiting for a runner\n\n';
/** Proxies cut an answer that is silent for a minute. Told in every silence: in a queue, in a long prompt, between two pieces. */
const QUIET_MS = 10_000;
const STILL_AT_WORK = ': still at work\n\n';
/** An answer in one piece cannot say that it waits: before a proxy says 504 we say 503, and when to come back. */
const SILENT_WAIT_MS = 50_000;
const COME_BACK_SECONDS = 10;

/** What the log says of a client that left before the answer; nobody receives it. */
const CLIENT_CLOSED = 499;

export function openaiRoutes(deps: InvokeDeps & { readonly log: Log }) {
  const app = new Hono<AppEnv>();

  app.get('/models', async (c) => {
    const principal = requirePrincipal(c, ...SEEING);
    const [bases, adapters] = await Promise.all([
      listBases(deps.db),
      newestModels(deps.db, privateOf(principal, SEEING), MAX_LISTED),
    ]);
    const data = [
      ...bases.map(({ id, createdAt }) => modelObject(id, createdAt, null)),
      ...adapters.map(({ id, createdAt, baseId }) => modelObject(id, createdAt, baseId)),
    ];
    return c.json({ object: 'list', data });
  });

  // Some clients escape the slash of owner/name, some do not: take the rest of the path, whatever it is.
  app.get('/models/*', async (c) => {
    const principal = requirePrincipal(c, ...SEEING);
    const id = unescaped(new URL(c.req.url).pathname.replace(/^.*?\/v1\/models\//, ''));
    return c.json(await findModel(deps, principal, id));
  });

  app.post('/chat/completions', async (c) => {
    const principal = requirePrincipal(c, 'infer');
    const body = parseBody(ChatBody, await readJsonBody(c.req.raw));
    if (body.top_logprobs != null && !body.logprobs) {
      throw new ApiError('invalid_request', 'top_logprobs needs logprobs to be true.', {
        field: 'top_logprobs',
      });
    }
    const messages = body.messages.map(({ role, content, name }) => ({
      role: role === 'developer' ? ('system' as const) : role,
      content: content ?? '',
      ...(name === undefined ? {} : { name }),
    }));
    const maxTokens = body.max_completion_tokens ?? body.max_tokens ?? undefined;
    const sampling = samplingOf(body, maxTokens, body.logprobs ? (body.top_logprobs ?? 0) : undefined);
    const invocation = {
      id: c.var.answerId,
      requestId: c.var.requestId,
      model: body.model,
      prompt: { kind: 'messages' as const, messages },
      sampling,
      schema: answerSchemaOf(body),
      n: body.n ?? 1,
    };
    const envelope = envelopeOf('chatcmpl', invocation, deps.now());
    const shapeOf: ShapeOf = (fingerprint) => chatShape({ ...envelope, fingerprint }, body.logprobs ?? false);
    return answer(c, deps, invocation, shapeOf, body, (signal) =>
      invoke(deps, principal, invocation, signal),
    );
  });

  app.post('/completions', async (c) => {
    const principal = requirePrincipal(c, 'infer');
    const body = parseBody(CompletionBody, await readJsonBody(c.req.raw));
    const text = typeof body.prompt === 'string' ? body.prompt : undefined;
    const prompt =
      text === undefined
        ? { kind: 'tokens' as const, tokens: body.prompt as number[] }
        : { kind: 'text' as const, text };
    const sampling = samplingOf(body, body.max_tokens ?? COMPLETION_MAX_TOKENS, body.logprobs ?? undefined);
    const { answerId: id, requestId } = c.var;
    const invocation = { id, requestId, model: body.model, prompt, sampling, n: body.n ?? 1 };
    const envelope = envelopeOf('cmpl', invocation, deps.now());
    const shapeOf: ShapeOf = (fingerprint) =>
      completionShape({ ...envelope, fingerprint }, body.logprobs != null, '');
    return answer(c, deps, invocation, shapeOf, body, (signal) =>
      invoke(deps, principal, invocation, signal),
    );
  });

  return app;
}

type Context = import('hono').Context<AppEnv>;

/** @returns the text as it stands where it is no valid escape: then no model has that name */
function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** A base, an adapter, or a version of one. @throws ApiError model_not_found */
async function findModel({ db }: InvokeDeps, principal: Principal, id: string) {
  const { owner, name, version, checkpoint } = parseSingle(id);
  if (checkpoint !== undefined)
    throw new ApiError('model_not_found', `${id} is a checkpoint: its job lists it.`, { field: 'model' });
  const base = version === undefined ? await findBase(db, `${owner}/${name}`) : undefined;
  if (base) return modelObject(id, base.createdAt, null);
  const found = await findVisible(db, principal, `${owner}/${name}`, version, SEEING);
  if (!found) throw new ApiError('model_not_found', `There is no model ${id}.`, { field: 'model' });
  return modelObject(id, found.version.createdAt, found.version.baseId);
}

async function answer(
  c: Context,
  { outlive, log }: { readonly outlive: Outlive; readonly log: Log },
  { n }: Invocation,
  shapeOf: ShapeOf,
  body: {
    stream?: boolean | null | undefined;
    stream_options?: { include_usage?: boolean | null | undefined } | null | undefined;
  },
  start: (signal: AbortSignal) => Promise<AsyncGenerator<AnswerEvent>>,
): Promise<Response> {
  const gone = new AbortController();
  using listening = new DisposableStack();
  listening.use(onLeaving(c.req.raw, () => gone.abort()));
  const began = performance.now();
  const starting = start(gone.signal);
  if (!body.stream && !(await settles(starting, SILENT_WAIT_MS))) {
    gone.abort();
    throw new ApiError(
      'unavailable',
      `No runner was ready within ${SILENT_WAIT_MS / 1000} seconds; ask again, or for a stream, which can wait longer.`,
      { retryAfterSeconds: COME_BACK_SECONDS },
    );
  }
  try {
    // Refusals (unknown model, prompt too long, busy) come before the first byte, with their own status.
    if (!body.stream || (await settles(starting, WAIT_MS))) {
      const events = await starting;
      c.header('server-timing', `runner;dur=${Math.round(performance.now() - began)}`);
      if (!body.stream) return c.json((await collect(events, n, shapeOf)) as Record<string, unknown>);
    }
  } catch (error) {
    if (gone.signal.aborted) return new Response(null, { status: CLIENT_CLOSED });
    throw error;
  }
  // nginx would collect the stream, and send it at its end.
  c.header('x-accel-buffering', 'no');
  const untilSent = listening.move();
  return streamSSE(c, (sse) => {
    sse.onAbort(() => gone.abort());
    const sending = send(sse);
    outlive(sending); // what was used is entered at its end, however it ends
    return sending;
  });

  async function send(sse: SSEStreamingApi): Promise<void> {
    using _ = untilSent;
    try {
      while (!(await settles(starting, WAIT_MS))) await sse.write(STILL_WAITING);
      const chunks = stream(await starting, n, shapeOf, body.stream_options?.include_usage ?? false);
      for (;;) {
        const next = chunks.next();
        while (!(await settles(next, QUIET_MS))) await sse.write(STILL_AT_WORK);
        const { done, value } = await next;
        if (done) break;
        await sse.writeSSE({ data: JSON.stringify(value) });
      }
      await sse.writeSSE({ data: '[DONE]' });
      count('patchbay_streams_total', 1, { outcome: 'finished' });
    } catch (error) {
      if (gone.signal.aborted) {
        count('patchbay_streams_total', 1, { outcome: 'left' });
        return;
      }
      const told = logged(log, c, error); // its status was 200: nothing else says that it failed
      count('patchbay_streams_total', 1, { outcome: told.status >= 500 ? 'failed' : 'refused' });
      await sse.writeSSE({ data: JSON.stringify(openaiError(told)) });
    }
  }
}

/** Whether it is settled, one way or the other, within `ms`. */
async function settles(promise: Promise<unknown>, ms: number): Promise<boolean> {
  const { promise: late, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(resolve, ms, false);
  const settled = () => true;
  const inTime = await Promise.race([promise.then(settled, settled), late]);
  clearTimeout(timer);
  return inTime;
}

function envelopeOf(prefix: string, { id, model }: Invocation, now: Date): Omit<Envelope, 'fingerprint'> {
  return {
    id: `${prefix}-${id}`,
    created: Math.floor(now.getTime() / 1000),
    model,
  };
}

/** As vLLM: an adapter's parent is its base, `root` is what is served. */
function modelObject(id: string, createdAt: Date, parent: string | null) {
  const [owner] = id.split('/');
  return {
    id,
    object: 'model',
    created: Math.floor(createdAt.getTime() / 1000),
    owned_by: owner,
    root: parent ?? id,
    parent,
  };
}

const TYPES: Readonly<Record<number, string>> = {
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  429: 'rate_limit_error',
};

export function openaiError(error: ApiError) {
  const type = TYPES[error.status] ?? (error.status >= 500 ? 'server_error' : 'invalid_request_error');
  return { error: { message: error.message, type, param: error.field ?? null, code: error.code } };
}
