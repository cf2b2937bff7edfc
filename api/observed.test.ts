/** What a trace tells of requests, and of what is no request. */
import { context, propagation, SpanStatusCode, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { Hono } from 'hono';
import { beforeEach, expect, it } from 'vitest';
import { inSpan, traceFields } from '../observe/trace.ts';
import type { AppEnv } from './context.ts';
import { Probe } from './health.ts';
import { observed } from './observed.ts';

context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
propagation.setGlobalPropagator(new W3CTraceContextPropagator());
const exporter = new InMemorySpanExporter();
trace.setGlobalTracerProvider(
  new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] }),
);
beforeEach(() => exporter.reset());
const told = () => exporter.getFinishedSpans().map(({ name, status: { code } }) => [name, code]);

it('what is answered by a fault of ours is marked as one, by its route', async () => {
  const app = new Hono<AppEnv>().use(observed);
  app.get('/things/:id', (c) => c.text('', Number(c.req.param('id')) as 200));
  for (const status of [200, 404, 503]) await app.request(`/things/${status}`);
  const { ERROR, UNSET } = SpanStatusCode;
  expect(told()).toEqual([UNSET, UNSET, ERROR].map((code) => ['GET /things/:id', code]));
});

it('a probe, which comes every few seconds, leaves nothing', async () => {
  const probe = new Probe(
    () => inSpan('S3 HeadBucketCommand', {}, async () => undefined),
    () => undefined,
  );
  expect(await probe.passes()).toBe(true);
  expect(told()).toEqual([]);
});

it('nor does a runner that asks for work, and its line in the log names no trace', async () => {
  const named: object[] = [];
  const app = new Hono<AppEnv>().use(observed);
  app.post('/api/runner/tasks', (c) => {
    named.push(traceFields());
    return c.body(null, 204);
  });
  await app.request('/api/runner/tasks', { method: 'POST' });
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  await app.request('/api/runner/tasks', { method: 'POST', headers: { traceparent } });
  expect(named).toEqual([{}, { traceId: traceparent.slice(3, 35), spanId: expect.any(String) }]);
  expect(told()).toEqual([['POST /api/runner/tasks', SpanStatusCode.UNSET]]);
});
