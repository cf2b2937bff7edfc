/** What docs/operate.md says of backups: what was copied is restored elsewhere, and works, whole. */
import { createHash } from 'node:crypto';
import { cp } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sampleAdapter } from '../adapter/sample-adapter.ts';
import { openDatabase } from '../db/open.ts';
import { blobs } from '../db/schema.ts';
import { BLOBS } from '../functions/object-keys.ts';
import { readRows, writeRows } from './copy-database.ts';
import { TestServer } from './harness.ts';
import { base, InProcess } from './in-process.ts';
import { type PostgresForTests, startPostgres } from './servers/postgres.ts';

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

describe('one machine', () => {
  it('the folder, copied while the server is stopped, is the marketplace', { timeout: 240_000 }, async () => {
    const server = await TestServer.start();
    const before = await stateOf(server);
    await server.stop();
    const restored = await TestServer.start({}, (folder) => cp(server.folder, folder, { recursive: true }));
    restored.key = server.key;
    expect(restored.stdout).not.toContain(' key '); // it is no first start
    expect(await stateOf(restored)).toEqual(before);
    await Promise.all([server.remove(), restored.remove()]);
  });
});

/** An answer, and the bytes of an adapter with the digest that the catalog tells. */
async function stateOf(server: TestServer) {
  const answer = await server.openai().chat.completions.create({
    model: 'patchbay/sentiment',
    messages: [{ role: 'user', content: 'The soup was cold.' }],
    temperature: 0,
    max_tokens: 8,
  });
  const detail = (await (await server.call('GET', '/api/adapters/patchbay/sentiment/versions/1')).json()) as {
    files: { path: string; sha256: string }[];
  };
  const weights = detail.files.find(({ path }) => path === 'adapter_model.safetensors')!;
  const response = await fetch(`${server.url}/patchbay/sentiment/resolve/main/${weights.path}`, {
    headers: { authorization: `Bearer ${server.key}` },
  });
  expect(sha256(new Uint8Array(await response.arrayBuffer()))).toBe(weights.sha256);
  return { text: answer.choices[0]!.message.content, weights: weights.sha256 };
}

describe('grown: first the database, then the bucket', () => {
  let postgres: PostgresForTests;
  let original: InProcess;
  let restored: InProcess;
  const { config, weights } = sampleAdapter(base);
  const files = { 'adapter_config.json': config, 'adapter_model.safetensors': weights };
  const publish = async (card: string) =>
    expect(
      (await original.publish('/api/adapters/alice/kept/versions', { ...files, 'README.md': card })).status,
    ).toBe(200);

  beforeAll(async () => {
    postgres = await startPostgres();
    original = await InProcess.open({ url: await postgres.createDatabase('original') });
    await publish('# One\n');
    const rows = await readRows(original.deps.db);
    await publish('# Two, while the backup is being made\n');
    const objects = new Map<string, Uint8Array>();
    for await (const page of original.blobs.list(''))
      for (const { key } of page)
        objects.set(key, new Uint8Array(await new Response(await original.blobs.read(key)).arrayBuffer()));

    const url = await postgres.createDatabase('restored');
    const empty = await openDatabase({ url });
    await writeRows(empty.db, rows);
    await empty.close();
    restored = await InProcess.open({ url }, { hasBase: true });
    restored.admin = original.admin;
    for (const [key, content] of objects) await restored.blobs.put(key, content);
  });
  afterAll(async () => {
    await original.close();
    await restored.close();
    await postgres.close();
  });

  it('nothing that is listed lacks its content, and all of it has its digest', async () => {
    const listed = await restored.deps.db.select({ sha256: blobs.sha256, size: blobs.size }).from(blobs);
    expect(listed.length).toBeGreaterThan(3);
    for (const { sha256: digest, size } of listed) {
      const content = new Uint8Array(
        await new Response(await restored.blobs.read(`${BLOBS}${digest}`)).arrayBuffer(),
      );
      expect([content.length, sha256(content)]).toEqual([size, digest]);
    }
  });

  it('what came after the database was copied is not there; the same key publishes it again', async () => {
    const versions = async () =>
      ((await (await restored.call('GET', '/api/adapters/alice/kept')).json()) as { latest: number }).latest;
    expect(await versions()).toBe(1);
    const again = await restored.publish('/api/adapters/alice/kept/versions', {
      ...files,
      'README.md': '# Two, while the backup is being made\n',
    });
    expect(again.status).toBe(200);
    expect(await versions()).toBe(2);
  });
});
