/** What a trace tells of steps that fail. */
import { SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { DrizzleQueryError } from 'drizzle-orm/errors';
import { beforeEach, expect, it } from 'vitest';
import { inSpan, streamInSpan } from './trace.ts';

const exporter = new InMemorySpanExporter();
trace.setGlobalTracerProvider(
  new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] }),
);

beforeEach(() => exporter.reset());
const told = () => exporter.getFinishedSpans().map(({ name, status }) => ({ name, ...status }));

it('why, without what opens something and without what people have written', async () => {
  const fail = (error: Error) => expect(inSpan('step', {}, () => Promise.reject(error))).rejects.toBe(error);
  await fail(new Error('GET http://store/blobs/abc?X-Amz-Signature=0123 failed'));
  await fail(new DrizzleQueryError('select $1', ['a prompt'], new Error('away')));
  const failed = { name: 'step', code: SpanStatusCode.ERROR };
  expect(told()).toEqual([
    { ...failed, message: 'GET http://store/blobs/abc?… failed' },
    { ...failed, message: 'Failed query: select $1\nparams: …' },
  ]);
});

it('that a stream broke in its middle, and not that its reader left', async () => {
  const begin = async () =>
    (async function* () {
      yield 1;
      throw new Error('the runner died');
    })();
  const left = await streamInSpan('left', {}, SpanKind.CLIENT, begin);
  for await (const _one of left) break;
  const broken = await streamInSpan('broken', {}, SpanKind.CLIENT, begin);
  await expect(Array.fromAsync(broken)).rejects.toThrow('the runner died');
  expect(told()).toEqual([
    { name: 'left', code: SpanStatusCode.UNSET },
    { name: 'broken', code: SpanStatusCode.ERROR, message: 'the runner died' },
  ]);
});
