/** The id by which an operator finds a request comes back with every answer, whichever protocol was spoken and however it went. */
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import type { Site } from '../api/site.ts';
import { createLog } from '../observe/log.ts';
import { startTelemetry } from '../observe/start.ts';
import { traceFields } from '../observe/trace.ts';
import { baseId, InProcess } from './in-process.ts';

const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';
let api: InProcess;
/** What the API answered to the page. */
let told: Response;
beforeAll(async () => {
  await startTelemetry('test', {}, createLog('test', 'silent'));
  const page: Site['page'] = async (request, ask) => {
    if (new URL(request.url).pathname !== '/browse') return new Response(null, { status: 404 });
    told = await ask(new Request('http://localhost/api/adapters'));
    return new Response();
  };
  const site = { page, refusal: async () => new Response(), asset: async () => undefined };
  api = await InProcess.open({ memory: true }, { site });
});
afterAll(() => api.close());

it.each([
  ['GET', '/api/adapters', 200],
  ['GET', '/api/adapters/nobody/nothing', 404],
  ['GET', '/nothing', 404],
  ['GET', '/v1/models', 401],
  ['GET', `/api/models/${baseId}`, 200],
  ['GET', '/api/models/nobody/nothing', 404],
  ['GET', `/${baseId}/resolve/main/config.json`, 200],
  ['GET', `/${baseId}/resolve/main/model.safetensors`, 302],
  ['GET', '/nobody/nothing/resolve/main/config.json', 404],
  ['POST', '/api/auth/sign-in/email', 400],
])('%s %s', async (method, path, status) => {
  const headers = { 'x-request-id': 'chosen-by-the-client' };
  const answer = await api.app.request(path, { method, headers });
  expect([answer.status, answer.headers.get('x-request-id')]).toEqual([status, 'chosen-by-the-client']);
});

it('what a page asks for belongs to who asked for the page', async () => {
  const seen: object[] = [];
  const list = vi
    .spyOn(api.noted, 'push')
    .mockImplementation((line) => seen.push({ ...line, ...traceFields() }));
  const headers = {
    accept: 'text/html',
    'x-request-id': 'chosen-by-the-client',
    traceparent: `00-${TRACE_ID}-b7ad6b7169203331-01`,
  };
  expect((await api.app.request('/browse', { headers })).status).toBe(200);
  list.mockRestore();
  expect(told.headers.get('x-request-id')).toBe('chosen-by-the-client');
  const same = { requestId: 'chosen-by-the-client', traceId: TRACE_ID };
  expect(seen).toMatchObject([
    { path: '/api/adapters', ...same },
    { path: '/browse', ...same },
  ]);
});
