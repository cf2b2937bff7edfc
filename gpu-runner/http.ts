/** The runner over HTTP: the contract of functions/generate.ts. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { Hono } from 'hono';
import { stream } from 'hono/streaming';
import type { Logger } from 'pino';
import type { z } from 'zod';
import { BaseSource, type GenerateEvent, GenerateRequest } from '../functions/generate.ts';
import { Fault } from './faults.ts';
import type { Runner } from './runner.ts';

/** A prompt that fills a context of a million tokens, and then some. */
const MAX_BODY = 16 * 2 ** 20;
const RETRY_AFTER_SECONDS = 1;

export function createRunnerApp(runner: Runner, token: string, log: Logger): Hono {
  const app = new Hono();

  app.use(async (c, next) => {
    if (!sameSecret(c.req.header('authorization') ?? '', `Bearer ${token}`))
      throw new Fault('unauthorized', 'wrong token');
    if (Number(c.req.header('content-length') ?? 0) > MAX_BODY)
      throw new Fault('too_large', `the body is larger than ${MAX_BODY} bytes`);
    await next();
  });

  app.get('/health', (c) => c.json(runner.health()));

  app.post('/bases', async (c) => {
    const host = await runner.open(parse(BaseSource, await c.req.json().catch(() => undefined)));
    return c.json({ contextLength: host.config.contextLength });
  });

  app.post('/generate', async (c) => {
    const request = parse(GenerateRequest, await c.req.json().catch(() => undefined));
    const gone = new AbortController();
    c.req.raw.signal.addEventListener('abort', () => gone.abort(), { once: true });
    const events = runner.generate(request, gone.signal);
    // Faults before the first event have a status of their own.
    const first = await events.next();
    c.header('content-type', 'application/x-ndjson');
    return stream(c, async (body) => {
      body.onAbort(() => gone.abort());
      const write = (event: GenerateEvent) => body.write(`${JSON.stringify(event)}\n`);
      if (!first.done) await write(first.value);
      try {
        for await (const event of events) await write(event);
      } catch (error) {
        log.error({ requestId: request.requestId, error: String(error) }, 'generation failed');
        const fault = error instanceof Fault ? error : new Fault('internal', 'the runner failed');
        await write({ type: 'error', code: fault.code, detail: fault.message });
      }
    });
  });

  app.onError((error, c) => {
    const fault = error instanceof Fault ? error : new Fault('internal', 'the runner failed');
    if (fault.code === 'internal') log.error({ path: c.req.path, error: error.stack }, 'unexpected error');
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

function parse<T extends z.ZodType>(schema: T, value: unknown): z.infer<T> {
  const checked = schema.safeParse(value);
  if (checked.success) return checked.data;
  const issue = checked.error.issues[0]!;
  throw new Fault('invalid_request', `${issue.path.join('.')}: ${issue.message}`, issue.path.join('.'));
}

function sameSecret(given: string, expected: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}
