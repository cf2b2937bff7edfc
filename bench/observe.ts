/**
 * What it costs a request to be observed: one route with and without what api/observed.ts and five inner steps do, in turns. Once with
 * nothing started, as at the edge; once with metrics, as every server has them; once with traces sent to a server that drops them.
 * Each in a process of its own, because what is started stays.
 */
import { fork } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Hono } from 'hono';
import type { AppEnv } from '../api/context.ts';
import { observed } from '../api/observed.ts';
import { createLog } from '../observe/log.ts';
import { startTelemetry } from '../observe/start.ts';
import { inSpan } from '../observe/trace.ts';
import { type Figure, median } from './measure.ts';

const ROUNDS = 41;
const REQUESTS = 500;
/** As an answer has in the API. */
const STEPS = 5;
const MODES = ['nothing', 'metrics', 'traces'] as const;

const headers = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' };

function apps() {
  const bare = new Hono<AppEnv>().get('/things/:id', (c) => c.json({ id: c.req.param('id') }));
  const seen = new Hono<AppEnv>().use(observed).get('/things/:id', async (c) => {
    for (let step = 0; step < STEPS; step++) await inSpan('step', {}, async () => undefined);
    return c.json({ id: c.req.param('id') });
  });
  return { bare, seen };
}

/** @returns microseconds that a request takes longer when it is observed */
async function overhead(): Promise<number> {
  const { bare, seen } = apps();
  const time = async (app: Hono<AppEnv>) => {
    const began = performance.now();
    for (let i = 0; i < REQUESTS; i++) await (await app.request(`/things/${i}`, { headers })).text();
    return ((performance.now() - began) * 1000) / REQUESTS;
  };
  const differences: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const without = await time(bare);
    differences.push((await time(seen)) - without);
  }
  return median(differences);
}

export async function run(): Promise<Figure[]> {
  const sink = createServer((request, response) => request.resume().on('end', () => response.end('{}')));
  await new Promise<void>((resolve) => sink.listen(0, '127.0.0.1', resolve));
  const endpoint = `http://127.0.0.1:${(sink.address() as AddressInfo).port}`;
  const figures: Figure[] = [];
  for (const mode of MODES) {
    const child = fork(import.meta.filename, [mode], { env: { ...process.env, SINK: endpoint } });
    const value = await new Promise<number>((resolve, reject) => {
      child.once('message', (message) => resolve(message as number));
      child.once('exit', (code) => reject(new Error(`${mode} ended with ${code}`)));
    });
    child.kill();
    figures.push({ key: `observed_${mode}`, value, unit: 'us' });
  }
  sink.close();
  return figures;
}

const mode = process.argv[2] as (typeof MODES)[number];
if (process.send && MODES.includes(mode)) {
  const environment = mode === 'traces' ? { OTEL_EXPORTER_OTLP_ENDPOINT: process.env['SINK']! } : {};
  if (mode === 'traces') Object.assign(process.env, environment); // the exporter reads it by itself
  if (mode !== 'nothing') await startTelemetry('bench', environment, createLog('bench'));
  process.send(await overhead());
}
