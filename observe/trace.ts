/**
 * Traces, by OpenTelemetry's API alone: it does nothing until an entry point has started the SDK (observe/start.ts), so code that
 * runs at the edge may say what it does without paying for it. Contexts travel as W3C's `traceparent`: in the headers of a
 * request, and beside the work that a request leaves in the queue.
 */
import {
  type Attributes,
  type Context,
  context,
  isSpanContextValid,
  propagation,
  ROOT_CONTEXT,
  type Span,
  type SpanKind,
  SpanStatusCode,
  type TextMapGetter,
  type TimeInput,
  TraceFlags,
  trace,
} from '@opentelemetry/api';
import { cleanText } from './redact.ts';

const tracer = trace.getTracer('patchbay');

const fromHeaders: TextMapGetter<Headers> = {
  get: (headers, name) => headers.get(name) ?? undefined,
  keys: (headers) => [...headers.keys()],
};

/** What a request belongs to, as its sender says. */
export const contextOf = (headers: Headers): Context =>
  propagation.extract(ROOT_CONTEXT, headers, fromHeaders);

const NO_TRACE = '00000000000000000000000000000001';
/** What is not worth a trace of its own, with all that it does. */
export const UNTRACED = trace.setSpanContext(ROOT_CONTEXT, {
  traceId: NO_TRACE,
  spanId: '0000000000000001',
  traceFlags: TraceFlags.NONE,
});

/** Whether somebody has said what this belongs to. */
export const isPartOfTrace = (parent: Context): boolean => trace.getSpanContext(parent) !== undefined;

/** What queued work belongs to. */
export const contextFrom = (traceparent: string | null | undefined): Context =>
  traceparent ? propagation.extract(ROOT_CONTEXT, { traceparent }) : ROOT_CONTEXT;

/** Headers that carry what happens now on to whom we ask; none where nothing is traced. */
export function traceHeaders(): Record<string, string> {
  const headers: Record<string, string> = {};
  propagation.inject(context.active(), headers);
  return headers;
}

/** Beside queued work. */
export const traceparent = (): string | undefined => traceHeaders()['traceparent'];

/** For lines of the log; nothing where nothing is traced. */
export function traceFields(): { traceId?: string; spanId?: string } {
  const context = trace.getActiveSpan()?.spanContext();
  if (!context || !isSpanContextValid(context)) return {}; // where nobody traces, its numbers are zeros
  if (context.traceId === NO_TRACE) return {};
  return { traceId: context.traceId, spanId: context.spanId };
}

export const within = <T>(parent: Context, work: () => T): T => context.with(parent, work);

/** Does something as a step of its own in the trace. What it throws is noted there, and thrown. */
export function inSpan<T>(
  name: string,
  attributes: Attributes,
  work: (span: Span) => Promise<T>,
  options: { readonly parent?: Context; readonly kind?: SpanKind } = {},
): Promise<T> {
  const { parent = context.active(), kind } = options;
  const span = tracer.startSpan(name, { attributes, ...(kind === undefined ? {} : { kind }) }, parent);
  return context.with(trace.setSpan(parent, span), async () => {
    try {
      return await work(span);
    } catch (error) {
      noteFailure(span, error);
      throw error;
    } finally {
      span.end();
    }
  });
}

/** The same for a stream: the step ends when the last of it was read, or nobody reads on. */
export async function streamInSpan<T>(
  name: string,
  attributes: Attributes,
  kind: SpanKind,
  begin: () => Promise<AsyncGenerator<T>>,
): Promise<AsyncGenerator<T>> {
  const span = tracer.startSpan(name, { attributes, kind });
  const failed = (error: unknown) => {
    noteFailure(span, error);
    span.end();
  };
  try {
    const source = await context.with(trace.setSpan(context.active(), span), begin);
    return untilRead(source, span, failed);
  } catch (error) {
    failed(error);
    throw error;
  }
}

async function* untilRead<T>(
  source: AsyncGenerator<T>,
  span: Span,
  failed: (error: unknown) => void,
): AsyncGenerator<T> {
  try {
    yield* source;
  } catch (error) {
    failed(error);
    throw error;
  } finally {
    span.end(); // a second time does nothing
  }
}

/** What a request was answered with: a fault of the server is one of its step, too. */
export function noteStatus(span: Span, status: number): void {
  span.setAttribute('http.response.status_code', status);
  if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
}

/** A step that is over, seen by somebody else. Times in milliseconds since 1970. */
export function pastSpan(name: string, attributes: Attributes, from: TimeInput, to: TimeInput): void {
  tracer.startSpan(name, { attributes, startTime: from }).end(to);
}

function noteFailure(span: Span, error: unknown): void {
  span.setStatus({
    code: SpanStatusCode.ERROR,
    message: cleanText(error instanceof Error ? error.message : String(error)),
  });
}
