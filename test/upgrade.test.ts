/**
 * The data of an older release (test/fixtures/release/rows.json, as make.ts left it) under today's code: migrated forward, with
 * everything there, working.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sql } from 'drizzle-orm';
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sampleAdapter } from '../adapter/sample-adapter.ts';
import journal from '../db/migrations/meta/_journal.json' with { type: 'json' };
import { type DatabaseLocation, openDatabase } from '../db/open.ts';
import { blobKey, fileKey } from '../functions/object-keys.ts';
import { type Rows, readRows, writeRows } from './copy-database.ts';
import { base, baseFiles, baseId, declare, InProcess } from './in-process.ts';
import { openAsReleased, temporaryFolder } from './older-schema.ts';
import { type PostgresForTests, startPostgres } from './servers/postgres.ts';

const fixture = JSON.parse(
  await readFile(join(import.meta.dirname, 'fixtures/release/rows.json'), 'utf8'),
) as { key: string; record: string; file: string; rows: Rows };
const { config, weights } = sampleAdapter(base);
const adapterFiles = { 'adapter_config.json': config, 'adapter_model.safetensors': weights };
const released = fixture.rows['drizzle.__drizzle_migrations'] as { hash: string; created_at: number }[];

it('migrations are numbered by time: one that is older than its predecessor would be left out', () => {
  const times = journal.entries.map(({ when }) => when);
  expect(times).toEqual(times.toSorted((a, b) => a - b));
  expect(new Set(times).size).toBe(times.length);
  expect(released.length).toBeLessThan(times.length);
});

describe.each(['PGlite', 'Postgres'])('on %s', (kind) => {
  let postgres: PostgresForTests | undefined;
  let api: InProcess;
  let location: DatabaseLocation;
  let folder: AsyncDisposable & { readonly path: string };

  const get = async (path: string, key = fixture.key) => {
    const response = await api.call('GET', path, undefined, key);
    expect(response.status, path).toBe(200);
    // biome-ignore lint/suspicious/noExplicitAny: answers are looked at as a client's program would
    return (await response.json()) as any;
  };

  beforeAll(async () => {
    folder = await temporaryFolder();
    if (kind === 'Postgres') {
      postgres = await startPostgres();
      location = { url: await postgres.createDatabase('upgraded') };
    } else location = { folder: folder.path };
    const old = await openAsReleased(location, released.length);
    const { rows } = (await old.db.execute(
      sql`select hash from drizzle.__drizzle_migrations order by created_at`,
    )) as unknown as { rows: { hash: string }[] };
    // What was released is never edited.
    expect(rows.map(({ hash }) => hash)).toEqual(
      released.toSorted((a, b) => a.created_at - b.created_at).map(({ hash }) => hash),
    );
    await writeRows(old.db, fixture.rows);
    await old.close();

    api = await InProcess.open(location, { hasBase: true });
    // The object store is another matter: its content never changes.
    const stored = { ...(await baseFiles()), ...adapterFiles };
    for (const [path, content] of Object.entries(stored))
      await api.blobs.put(
        blobKey(declare({ [path]: content })[0]!.sha256),
        new Uint8Array(Buffer.from(content)),
      );
    for (const card of ['# First\n', '# First, again\n', '---\ntags: [json]\n---\n# Shared\n'])
      await api.blobs.put(blobKey(declare({ card })[0]!.sha256), new TextEncoder().encode(card));
    await api.blobs.put(
      fileKey(fixture.file),
      new TextEncoder().encode('{"text": "one"}\n{"text": "two"}\n'),
    );
  });
  afterAll(async () => {
    await api.close();
    expect(api.unexpected).toEqual([]);
    await postgres?.close();
    await folder[Symbol.asyncDispose]();
  });

  it('every row is there', async () => {
    const { db, close } =
      kind === 'Postgres' ? await openDatabase(location) : { db: api.deps.db, close: undefined };
    const now = await readRows(db);
    await close?.();
    for (const [table, before] of Object.entries(fixture.rows))
      expect(now[table]!.length, table).toBeGreaterThanOrEqual(before.length);
  });

  it('keys open what they opened, and what was private stays so', async () => {
    expect(await get('/api/adapters/alice/first')).toMatchObject({ id: 'alice/first' });
    expect(await get('/api/adapters/org/shared')).toMatchObject({ id: 'org/shared', visibility: 'private' });
    expect((await api.call('GET', '/api/adapters/org/shared', undefined, '')).status).toBe(404);
    const { adapters } = await get('/api/adapters?q=first', '');
    expect(adapters.map(({ id }: { id: string }) => id)).toEqual(['alice/first']);
  });

  it('files come as they were published, by every version', async () => {
    for (const number of [1, 2]) {
      const { files } = await get(`/api/adapters/alice/first/versions/${number}`);
      for (const { path, sha256 } of files) {
        const response = await api.call(
          'GET',
          `/alice/first/resolve/v${number}/${path}`,
          undefined,
          fixture.key,
        );
        const followed = response.status === 302 ? await fetch(response.headers.get('location')!) : response;
        const content = new Uint8Array(await followed.arrayBuffer());
        expect(declare({ [path]: content })[0]!.sha256, path).toBe(sha256);
      }
    }
  });

  it('records that were signed before are still verified', async () => {
    const keys = createLocalJWKSet((await get('/.well-known/jwks.json', '')) as JSONWebKeySet);
    const { payload } = await jwtVerify(fixture.record, keys, { algorithms: ['EdDSA'] });
    expect(payload.sub).toBe('alice/first@1');
  });

  it('jobs, files and webhooks are their owners’', async () => {
    expect((await get('/v1/fine_tuning/jobs')).data).toHaveLength(1);
    expect((await get('/v1/files')).data).toMatchObject([{ id: fixture.file }]);
    expect((await get('/api/webhooks')).webhooks).toHaveLength(1);
  });

  it('another version can be published', async () => {
    const files = { ...adapterFiles, 'README.md': '# First, by the new release\n' };
    const response = await api.publish('/api/adapters/alice/first/versions', files, fixture.key);
    expect(await response.json()).toMatchObject({ created: true, version: { number: 3, base: baseId } });
  });
});
