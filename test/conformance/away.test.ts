/** What is away passes, whichever runtime finds it so: its clients are told to come back. (On Node the fault runs see to that.) */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Link } from '../faults/link.ts';
import { TestClient } from '../harness.ts';
import { type Marketplace, RUNTIMES, startMarketplace, type WayIn } from './marketplace.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 });

const runtimes = RUNTIMES.filter(({ name }) => name !== 'Node');
let marketplace: Marketplace;

beforeAll(async () => {
  marketplace = await startMarketplace();
  for (const { prepare } of runtimes) prepare();
});
afterAll(() => marketplace?.close());

async function linked(address: string): Promise<{ link: Link; through: string }> {
  const url = new URL(address);
  const link = await Link.open(Number(url.port));
  url.port = String(link.port);
  return { link, through: url.href };
}

describe.each(runtimes)('through $name', ({ open, name }) => {
  let way: WayIn;
  let server: TestClient;
  let database: Awaited<ReturnType<typeof linked>>;
  let store: Awaited<ReturnType<typeof linked>>;

  beforeAll(async () => {
    const { settings } = marketplace;
    database = await linked(settings['DATABASE_URL']!);
    store = await linked(settings['S3_ENDPOINT']!);
    const S3_ENDPOINT = store.through.replace(/\/$/, '');
    way = await open({
      ...marketplace,
      settings: { ...settings, DATABASE_URL: database.through, S3_ENDPOINT },
    });
    server = new TestClient(join(marketplace.node.folder, name), way.url, marketplace.node.key);
  });
  afterAll(async () => {
    await way?.stop();
    await Promise.all([database.link.close(), store.link.close()]);
    await rm(server.folder, { recursive: true, force: true });
  });

  async function passes(method: string, path: string, body?: unknown): Promise<void> {
    const answer = await server.call(method, path, body);
    expect([path, answer.status, await answer.text()]).toEqual([
      path,
      503,
      expect.stringMatching(/cannot be reached right now/),
    ]);
    expect(answer.headers.get('retry-after')).toMatch(/^\d+$/);
  }

  it('the object store', async () => {
    const card = '/patchbay/sql/resolve/main/README.md';
    expect((await server.call('GET', card)).status).toBe(200);
    await store.link.close();
    await passes('GET', '/patchbay/json/resolve/main/README.md');
    expect((await server.call('GET', '/api/usage')).status).toBe(200);
  });

  it('the database', async () => {
    await database.link.close();
    await passes('GET', '/api/usage');
    await passes('GET', '/api/adapters');
    await passes('POST', '/v1/chat/completions', {
      model: 'patchbay/tiny',
      messages: [{ role: 'user', content: 'Hello!' }],
    });
    expect((await server.call('GET', '/readyz')).status).toBe(503);
    expect((await server.call('GET', '/healthz')).status).toBe(200);
  });
});
