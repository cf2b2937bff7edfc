/** Behind a proxy that speaks https under another name, everything that clients follow is of that name. */
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { sampleAdapter, sampleConfig } from '../adapter/sample-adapter.ts';
import { base, baseId, InProcess } from './in-process.ts';

const PUBLIC = 'https://hub.example.com';
let api: InProcess;
let token: string;

beforeAll(async () => {
  const page = async (request: Request, ask: (asked: Request) => Promise<Response>) => {
    const bases = await ask(new Request(new URL('/api/bases', request.url)));
    return new Response(`${request.url} ${bases.status}`);
  };
  const site = { page, refusal: async () => new Response(), asset: async () => undefined };
  api = await InProcess.open({ memory: true }, { publicUrl: PUBLIC, site });
  token = await api.key('carol', ['read', 'publish']);
});
afterEach(() => {
  expect(api.unexpected).toEqual([]);
});
afterAll(() => api.close());

/** As the proxy asks: by http, and with a host of its own. */
const ask = (path: string, body?: string) =>
  api.app.request(`http://10.0.0.7:8787${path}`, {
    headers: { authorization: `Bearer ${token}`, accept: 'text/html, */*' },
    ...(body === undefined ? {} : { method: 'POST', body }),
  });
// biome-ignore lint/suspicious/noExplicitAny: answers are looked at as a client's program would
const json = async (path: string, body?: string): Promise<any> => (await ask(path, body)).json();

const base64 = (content: string | Uint8Array) => Buffer.from(content).toString('base64');

it('clients of the Hub stay there', async () => {
  const id = 'carol/far';
  expect(await json('/api/repos/create', JSON.stringify({ name: 'far' }))).toMatchObject({
    url: `${PUBLIC}/${id}`,
  });

  const granted = await ask(`/api/models/${id}/xet-write-token/main`);
  const { casUrl } = (await granted.json()) as { casUrl: string };
  expect(casUrl).toMatch(/^https:\/\/hub\.example\.com\/cas\/carol\/far\/[0-9a-f-]{36}$/);
  expect(granted.headers.get('x-xet-cas-url')).toBe(casUrl);

  const objects = [{ oid: 'ab'.repeat(32), size: 9 * 2 ** 20 }];
  const batch = await json(
    `/${id}.git/info/lfs/objects/batch`,
    JSON.stringify({ operation: 'upload', transfers: ['multipart'], objects }),
  );
  expect(batch.objects[0].actions.upload.href).toBe(`${PUBLIC}/${id}.git/info/lfs/complete`);

  const { weights } = sampleAdapter(base);
  const config = JSON.stringify(sampleConfig({ base_model_name_or_path: baseId }));
  const lines = [
    { key: 'header', value: { summary: 'A commit' } },
    ...Object.entries({ 'adapter_config.json': config, 'adapter_model.safetensors': weights }).map(
      ([path, content]) => ({ key: 'file', value: { path, content: base64(content), encoding: 'base64' } }),
    ),
  ].map((line) => JSON.stringify(line));
  for (const name of [id, 'carol/further']) {
    const { commitUrl } = await json(`/api/models/${name}/commit/main`, lines.join('\n'));
    expect(commitUrl).toMatch(new RegExp(`^${PUBLIC}/${name}/commit/[0-9a-f]{40}$`));
  }

  const { headers } = await ask('/api/models?author=carol&limit=1');
  expect(headers.get('link')).toMatch(
    /^<https:\/\/hub\.example\.com\/api\/models\?author=carol&limit=1&cursor=[^>]+>; rel="next"$/,
  );
});

it('pages say where the server is', async () => {
  expect(await (await ask('/playground?a=b')).text()).toBe(`${PUBLIC}/playground?a=b 200`);
});
