/**
 * What an operator sees of a real server and its runner: one trace from the client's request to the runner's steps, metrics that
 * count what was done, request ids in every line of the log, and no secret in any.
 */
import { createServer, type Server } from 'node:http';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { METRICS, type MetricName, seriesOf as seriesNames } from '../observe/metrics.ts';
import { TestServer } from './harness.ts';

const METRICS_TOKEN = 'token-of-the-tests-metrics';
const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';
const PARENT_ID = 'b7ad6b7169203331';

interface Span {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly service: string;
}

/** Takes in OTLP over HTTP, as JSON, as a collector does. */
class Collector {
  readonly spans: Span[] = [];
  private readonly server: Server;

  constructor() {
    this.server = createServer(async (request, response) => {
      let text = '';
      for await (const chunk of request) text += chunk;
      const { resourceSpans } = JSON.parse(text) as {
        resourceSpans: {
          resource: { attributes: { key: string; value: { stringValue?: string } }[] };
          scopeSpans: { spans: Span[] }[];
        }[];
      };
      for (const { resource, scopeSpans } of resourceSpans) {
        const service = resource.attributes.find(({ key }) => key === 'service.name')!.value.stringValue!;
        this.spans.push(...scopeSpans.flatMap(({ spans }) => spans.map((span) => ({ ...span, service }))));
      }
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.server.address() as { port: number }).port}`;
  }

  close(): void {
    this.server.close();
  }
}

/** Values of series, by name and labels as Prometheus writes them. */
function seriesOf(text: string): Map<string, number> {
  const lines = text.split('\n').filter((line) => line && !line.startsWith('#'));
  return new Map(
    lines.map((line) => {
      const end = line.lastIndexOf(' ');
      return [line.slice(0, end), Number(line.slice(end + 1))];
    }),
  );
}

const collector = new Collector();
let server: TestServer;

beforeAll(async () => {
  server = await TestServer.start({
    OTEL_EXPORTER_OTLP_ENDPOINT: await collector.listen(),
    PATCHBAY_METRICS_TOKEN: METRICS_TOKEN,
  });
});
afterAll(async () => {
  await server.remove();
  collector.close();
});

async function scrape(url = server.url): Promise<Map<string, number>> {
  const response = await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${METRICS_TOKEN}` } });
  expect(response.headers.get('content-type')).toContain('text/plain; version=0.0.4');
  return seriesOf(await response.text());
}

const linesOf = (log: string) =>
  log
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Record<string, unknown>);

/** Where a process of this server listens, as its log says. */
const addressOf = (name: string) =>
  linesOf(server.log).find((line) => line['name'] === name && line['msg'] === 'listening')!['url'] as string;

const chat = (stream: boolean, headers: Record<string, string> = {}) =>
  fetch(`${server.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${server.key}`, 'content-type': 'application/json', ...headers },
    body: JSON.stringify({
      model: 'patchbay/sql',
      messages: [{ role: 'user', content: 'How many users are there?' }],
      max_tokens: 8,
      temperature: 0,
      stream,
    }),
  });

it('opens /metrics to its token and to admins, to nobody else', async () => {
  const status = async (bearer: string) => (await server.call('GET', '/metrics', undefined, bearer)).status;
  expect(await status(METRICS_TOKEN)).toBe(200);
  expect(await status(server.key)).toBe(200);
  expect(await status('')).toBe(401);
  expect(await status('wrong')).toBe(401);
  const made = (await (
    await server.call('POST', '/api/keys', { name: 'reader', scopes: ['read'] })
  ).json()) as { key: string };
  expect(await status(made.key)).toBe(401);
  expect((await server.call('GET', '/api/adapters', undefined, METRICS_TOKEN)).status).toBe(401);
});

it('counts one answer: a request, its tokens, its first token, the adapter it needed', async () => {
  const runnerUrl = addressOf('runner');
  const [before, runnerBefore] = [await scrape(), await scrape(runnerUrl)];
  const response = await chat(false);
  const { usage } = (await response.json()) as {
    usage: { prompt_tokens: number; completion_tokens: number };
  };
  const [after, runnerAfter] = [await scrape(), await scrape(runnerUrl)];
  const moved = (name: string) => (after.get(name) ?? 0) - (before.get(name) ?? 0);
  const movedThere = (name: string) => (runnerAfter.get(name) ?? 0) - (runnerBefore.get(name) ?? 0);
  expect(moved('patchbay_http_requests_total{method="POST",route="/v1/chat/completions",status="200"}')).toBe(
    1,
  );
  expect(moved('patchbay_tokens_total{direction="in"}')).toBe(usage.prompt_tokens);
  expect(moved('patchbay_tokens_total{direction="out"}')).toBe(usage.completion_tokens);
  expect(moved('patchbay_time_to_first_token_seconds_count')).toBe(1);
  expect(movedThere('patchbay_runner_tokens_total{direction="in"}')).toBe(usage.prompt_tokens);
  expect(movedThere('patchbay_runner_tokens_total{direction="out"}')).toBe(usage.completion_tokens);
  expect(movedThere('patchbay_runner_requests_total{outcome="finished"}')).toBe(1);
  expect(movedThere('patchbay_runner_adapter_requests_total{tier="object_store"}')).toBe(1);
  expect(movedThere('patchbay_runner_queue_seconds_count')).toBe(1);
  expect(movedThere('patchbay_runner_prefill_seconds_count')).toBe(1);
  expect(runnerAfter.get('patchbay_runner_bases_loaded')).toBe(1);

  await (await chat(false)).json();
  const again = await scrape(runnerUrl);
  expect(again.get('patchbay_runner_adapter_requests_total{tier="memory"}')).toBe(1);
});

it('shows nothing that is not in the list of metrics, and no label that is not declared', async () => {
  const known = new Map(
    (Object.keys(METRICS) as MetricName[]).flatMap(seriesNames).map(({ name, labels }) => [name, labels]),
  );
  for (const url of [server.url, addressOf('runner'), addressOf('train')])
    for (const series of (await scrape(url)).keys()) {
      const [, name, labels = ''] = /^(\w+)(?:\{(.*)\})?$/.exec(series)!;
      expect(known.has(name!), series).toBe(true);
      for (const [, label] of labels.matchAll(/(\w+)="/g)) expect(known.get(name!), series).toContain(label);
      expect(labels).not.toMatch(/patchbay\/sql|admin/);
    }
});

it('follows a streamed request from its client to the steps of the runner, and logs its id in both', async () => {
  const requestId = 'client-chosen-1234';
  const response = await chat(true, {
    traceparent: `00-${TRACE_ID}-${PARENT_ID}-01`,
    'x-request-id': requestId,
  });
  expect(response.headers.get('x-request-id')).toBe(requestId);
  expect(await response.text()).toContain('[DONE]');
  expect((await chat(false, { 'x-request-id': 'no "id" at all' })).headers.get('x-request-id')).toMatch(
    /^[0-9a-f-]{36}$/,
  );
  await server.stop(); // sends what was not sent yet

  const spans = collector.spans.filter(({ traceId }) => traceId === TRACE_ID);
  const byId = new Map(spans.map((span) => [span.spanId, span]));
  const pathOf = (span: Span): string => {
    const parent = span.parentSpanId ? byId.get(span.parentSpanId) : undefined;
    return `${parent ? `${pathOf(parent)} > ` : ''}${span.name}`;
  };
  const root = 'POST /v1/chat/completions';
  const call = `${root} > runner generate > POST /generate`;
  expect(spans.map(pathOf)).toEqual(
    expect.arrayContaining([
      root,
      `${root} > authenticate`,
      `${root} > resolve model`,
      `${root} > runner generate`,
      call,
      `${call} > fetch adapter`,
      `${call} > queue`,
      `${call} > prefill`,
      `${call} > decode`,
    ]),
  );
  expect(spans.find(({ name }) => name === root)!.parentSpanId).toBe(PARENT_ID);
  expect(new Set(spans.map(({ service }) => service))).toEqual(new Set(['patchbay-api', 'patchbay-runner']));

  const lines = linesOf(server.log).filter((line) => line['requestId'] === requestId);
  expect(new Set(lines.map(({ name }) => name))).toEqual(new Set(['patchbay', 'runner']));
  expect(new Set(lines.map((line) => line['traceId']))).toEqual(new Set([TRACE_ID]));
});

it('writes no line for a runner that asks and gets nothing', () => {
  const idle = linesOf(server.log).filter(
    ({ path, status }) => `${path}`.startsWith('/api/runner/') && status === 204,
  );
  const asking = /^\/api\/runner\/(leases|verifications|tasks|runners)$/;
  expect(idle.filter(({ path }) => asking.test(`${path}`))).toEqual([]);
});

it('writes neither keys nor tokens nor signatures of presigned URLs into the log', () => {
  expect(server.log.length).toBeGreaterThan(1_000);
  for (const secret of [server.key, METRICS_TOKEN, 'X-Amz-Signature'])
    expect(server.log).not.toContain(secret);
});
