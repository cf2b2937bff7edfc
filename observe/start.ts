/**
 * Starts what an entry point on Node observes itself with: metrics, which are kept in memory and read at /metrics, and traces,
 * which are sent by OTLP over HTTP where OTEL_EXPORTER_OTLP_ENDPOINT says where to, and cost nothing where it does not. OTEL_EXPORTER_OTLP_HEADERS
 * goes along; OTEL_TRACES_SAMPLER_ARG is the share of traces kept that begin here, 1 unless said. Whoever asks decides for its own.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { context, metrics, propagation, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { type ExportResult, ExportResultCode, W3CTraceContextPropagator } from '@opentelemetry/core';
import { PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import { MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics';
import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace';
import type { Logger } from 'pino';
import { counterOf, gaugeOf, METER } from './metrics.ts';

const LAG_RESOLUTION_MS = 20;
/** For gauges that ask a database. Prometheus gives up after ten seconds unless told otherwise. */
const DEADLINE_MS = 5_000;

export interface Telemetry {
  /** What /metrics answers: Prometheus' text format. */
  scrape(): Promise<string>;
  /** Sends what has not been sent. */
  stop(): Promise<void>;
}

class Scraped extends MetricReader {
  private readonly serializer = new PrometheusSerializer('', false, undefined, true, true);

  async scrape(): Promise<string> {
    // A gauge that cannot be read, as when the database is away, is missing in the answer; the others are not.
    const { resourceMetrics } = await this.collect({ timeoutMillis: DEADLINE_MS });
    // Libraries measure themselves too, under names and labels of theirs.
    const ours = resourceMetrics.scopeMetrics.filter(({ scope }) => scope.name === METER);
    return this.serializer.serialize({ ...resourceMetrics, scopeMetrics: ours });
  }

  protected override async onForceFlush(): Promise<void> {}
  protected override async onShutdown(): Promise<void> {}
}

/** @param service what traces call this process */
export async function startTelemetry(
  service: string,
  environment: Readonly<Record<string, string | undefined>>,
  log: Logger,
): Promise<Telemetry> {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  const reader = new Scraped();
  metrics.setGlobalMeterProvider(new MeterProvider({ readers: [reader] }));
  watchProcess();
  const isTraced =
    environment['OTEL_EXPORTER_OTLP_ENDPOINT'] ?? environment['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'];
  const share = Number(environment['OTEL_TRACES_SAMPLER_ARG'] ?? 1);
  if (!(share >= 0 && share <= 1)) throw new Error('OTEL_TRACES_SAMPLER_ARG must be a number from 0 to 1');
  const traces = isTraced ? await startTraces(service, share, log) : undefined;
  return { scrape: () => reader.scrape(), stop: async () => traces?.shutdown() };
}

async function startTraces(
  service: string,
  share: number,
  log: Logger,
): Promise<{ shutdown(): Promise<void> }> {
  const [sdk, { OTLPTraceExporter }, { resourceFromAttributes }] = await Promise.all([
    import('@opentelemetry/sdk-trace'),
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/resources'),
  ]);
  const { BatchSpanProcessor, ParentBasedSampler, TraceIdRatioBasedSampler, TracerProvider } = sdk;
  const provider = new TracerProvider({
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(share) }),
    resource: resourceFromAttributes({ 'service.name': service, 'service.namespace': 'patchbay' }),
    spanProcessors: [new BatchSpanProcessor({ exporter: new Told(new OTLPTraceExporter(), log) })],
  });
  trace.setGlobalTracerProvider(provider);
  return provider;
}

/** Traces that nobody takes are dropped: the log says so when that begins, and when it is over. */
export class Told implements SpanExporter {
  private readonly exporter: SpanExporter;
  private readonly log: Logger;
  private isFailing = false;

  constructor(exporter: SpanExporter, log: Logger) {
    this.exporter = exporter;
    this.log = log;
  }

  export(spans: ReadableSpan[], done: (result: ExportResult) => void): void {
    this.exporter.export(spans, (result) => {
      const isFailing = result.code !== ExportResultCode.SUCCESS;
      if (isFailing && !this.isFailing)
        this.log.error({ error: result.error?.message }, 'traces cannot be sent, and are dropped');
      if (!isFailing && this.isFailing) this.log.info('traces are sent again');
      this.isFailing = isFailing;
      done(result);
    });
  }

  shutdown(): Promise<void> {
    return this.exporter.shutdown();
  }
}

function watchProcess(): void {
  const lag = monitorEventLoopDelay({ resolution: LAG_RESOLUTION_MS });
  lag.enable();
  gaugeOf('process_resident_memory_bytes', (result) => result.observe(process.memoryUsage.rss()));
  gaugeOf('process_start_time_seconds', (result) => result.observe(performance.timeOrigin / 1000));
  counterOf('process_cpu_seconds_total', (result) => {
    const { user, system } = process.cpuUsage();
    result.observe((user + system) / 1e6);
  });
  gaugeOf('nodejs_eventloop_lag_p99_seconds', (result) => {
    result.observe(Math.max(0, lag.percentile(99) / 1e9 - LAG_RESOLUTION_MS / 1000));
    lag.reset();
  });
}
