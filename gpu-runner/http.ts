/** The runner over HTTP: the contract of functions/generate.ts. */
import { SpanKind } from '@opentelemetry/api';
import { type Context, Hono } from 'hono';
import { stream } from 'hono/streaming';
import type { Logger } from 'pino';
import type { z } from 'zod';
import { invoke } from '../functions/definition.ts';
import { type GenerateEvent, GenerateRequest } from '../functions/generate.ts';
import { onLeaving } from '../functions/leaving.ts';
import { WARM_PATH, warm } from '../functions/warm.ts';
import { count, observe, secondsSince } from '../observe/metrics.ts';
import { contextOf, inSpan, noteStatus } from '../observe/trace.ts';
import { type MetricsAccess, metricsRoute, showsToken } from './access.ts';
import { Fault } from './faults.ts';
import { isOwnTrouble } from './own-trouble.ts';
import { probeRoutes } from './probes.ts';
import type { Runner } from './runner.ts';

/** A prompt that fills a context of a million tokens, and then some. */
const MAX_BODY = 16 * 2 ** 20;
/** A client that still sends may miss the answer: what is too large is read on, and dropped, up to this. */
const MAX_DROPPED = 4 * MAX_BODY;
const RETRY_AFTER_SECONDS = 1;
/** No event: the request is worked on. */
const BEAT = '\n';

export function createRunnerApp(runner: Runner, access: MetricsAccess, log: Logger): Hono {
  const app = new Hono();

  app.route(
    '/',
    probeRoutes(() => runner.health().status === 'ok'),
  );
  app.route('/', metricsRoute(access));
  app.use(async (c, next) => {
    if (!showsToken(c, access.tokens))
      throw new Fault('unauthorized', 'the bearer token is missing or wrong');
    await next();
  });
  // What is asked of a runner belongs to what the API was asked.
  app.use((c, next) =>
    inSpan(
      `${c.req.method} ${c.req.path}`,
      {},
      async (span) => {
        await next();
        noteStatus(span, c.res.status);
      },
      { parent: contextOf(c.req.raw.headers), kind: SpanKind.SERVER },
    ),
  );

  app.get('/health', (c) => c.json(runner.health()));

  app.post(WARM_PATH, async (c) => c.json(await invoke(warm, parse(warm.event, await json(c)), runner)));

  app.post('/generate', async (c) => {
    const request = parse(GenerateRequest, await json(c));
    const entry = new GenerationLog(log, request);
    const gone = new AbortController();
    using listening = new DisposableStack();
    listening.use(onLeaving(c.req.raw, () => gone.abort()));
    const { promise: late, resolve: beat } = Promise.withResolvers<void>();
    let alive = beat;
    const events = runner.generate(request, gone.signal, () => alive());
    const first = events.next();
    // Faults before the first event have a status of their own, unless they take their time.
    const isLate = await Promise.race([first.then(() => false), late.then(() => true)]).catch((error) => {
      entry.failed(error);
      throw error;
    });
    c.header('content-type', 'application/x-ndjson');
    const untilSent = listening.move();
    return stream(c, async (body) => {
      using _ = untilSent;
      body.onAbort(() => gone.abort());
      alive = () => void body.write(BEAT);
      const write = (event: GenerateEvent) => {
        entry.event(event);
        return body.write(`${JSON.stringify(event)}\n`);
      };
      try {
        if (isLate) alive();
        const { done, value } = await first;
        if (!done) await write(value);
        for await (const event of events) await write(event);
        entry.ended(gone.signal.aborted);
      } catch (error) {
        entry.failed(error);
        const { code, message, field } = faultOf(error);
        await write({ type: 'error', code, detail: message, ...(field === undefined ? {} : { field }) });
      }
    });
  });

  app.notFound((c) => c.json({ code: 'invalid_request', detail: `there is no ${c.req.path}` }, 404));

  app.onError((error, c) => {
    const fault = faultOf(error);
    if (fault.code === 'internal')
      log.error({ path: c.req.path, error: reasonOf(error) }, 'unexpected error');
    // The rest of a body that nobody reads cannot be followed by another request.
    if (fault.code === 'too_large' || fault.code === 'unauthorized') c.header('connection', 'close');
    if (fault.code === 'busy') c.header('retry-after', String(RETRY_AFTER_SECONDS));
    const body = {
      code: fault.code,
      detail: fault.message,
      ...(fault.field === undefined ? {} : { field: fault.field }),
    };
    return c.json(body, fault.status);
  });
  return app;
}

/** One line of the log for each request, whatever becomes of it. */
class GenerationLog {
  private readonly log: Logger;
  private readonly began = performance.now();
  private promptTokens: number | undefined;
  private firstTextMs: number | undefined;
  private completionTokens = 0;
  /** Of answers that have not ended: pieces of text, which are a token each at least, and when the last one came. */
  private readonly begun = new Map<number, { readonly pieces: number; readonly lastAt: number }>();

  constructor(log: Logger, { requestId, base, adapters, n }: GenerateRequest) {
    this.log = log.child({ requestId, base: base.id, adapters: adapters.map(({ digest }) => digest), n });
  }

  event(event: GenerateEvent): void {
    if (event.type === 'start') {
      this.promptTokens = event.promptTokens;
      count('patchbay_runner_tokens_total', event.promptTokens, { direction: 'in' });
    }
    if (event.type === 'delta') this.text(event.index);
    if (event.type === 'finish') {
      this.begun.delete(event.index);
      this.completionTokens += event.completionTokens;
    }
  }

  private text(index: number): void {
    const now = performance.now();
    const { pieces, lastAt } = this.begun.get(index) ?? { pieces: 0, lastAt: undefined };
    this.begun.set(index, { pieces: pieces + 1, lastAt: now });
    if (lastAt !== undefined) observe('patchbay_runner_inter_token_seconds', (now - lastAt) / 1000);
    if (this.firstTextMs !== undefined) return;
    this.firstTextMs = this.elapsedMs;
    observe('patchbay_runner_time_to_first_token_seconds', secondsSince(this.began));
  }

  ended(disconnected: boolean): void {
    this.over();
    count('patchbay_runner_requests_total', 1, { outcome: disconnected ? 'left' : 'finished' });
    this.log.info(this.measures, disconnected ? 'client left' : 'generated');
  }

  failed(error: unknown): void {
    this.over();
    const { code, message } = faultOf(error);
    count('patchbay_runner_requests_total', 1, { outcome: code });
    const level = code === 'internal' ? 'error' : 'info';
    this.log[level]({ ...this.measures, code, error: reasonOf(error) ?? message }, 'generation failed');
  }

  private over(): void {
    for (const { pieces } of this.begun.values()) this.completionTokens += pieces;
    count('patchbay_runner_tokens_total', this.completionTokens, { direction: 'out' });
  }

  private get elapsedMs(): number {
    return Math.round(performance.now() - this.began);
  }

  private get measures() {
    const { promptTokens, completionTokens, firstTextMs, elapsedMs: ms } = this;
    return { promptTokens, completionTokens, firstTextMs, ms };
  }
}

function faultOf(error: unknown): Fault {
  if (error instanceof Fault && error.code !== 'internal') return error;
  if (isOwnTrouble(error))
    return new Fault('fetch_failed', 'the runner cannot keep the files that this needs', undefined, error);
  return error instanceof Fault ? error : new Fault('internal', 'the runner failed');
}

/** What the operator needs: where it came from. */
function reasonOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return String(error);
  if (!(error instanceof Fault)) return error.stack;
  return error.cause === undefined ? undefined : String(error.cause);
}

async function json(c: Context): Promise<unknown> {
  const text = await readText(c.req.raw);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Fault('invalid_request', `the body is not JSON: ${(error as Error).message}`);
  }
}

async function readText(request: Request): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  let size = 0;
  for await (const chunk of request.body ?? []) {
    size += chunk.length;
    if (size > MAX_DROPPED) break;
    if (size <= MAX_BODY) text += decoder.decode(chunk, { stream: true });
  }
  if (size > MAX_BODY) throw new Fault('too_large', `the body is larger than ${MAX_BODY} bytes`);
  return text + decoder.decode();
}

function parse<T extends z.ZodType>(schema: T, value: unknown): z.infer<T> {
  const checked = schema.safeParse(value);
  if (checked.success) return checked.data;
  const issue = checked.error.issues[0]!;
  throw new Fault('invalid_request', `${issue.path.join('.')}: ${issue.message}`, issue.path.join('.'));
}
