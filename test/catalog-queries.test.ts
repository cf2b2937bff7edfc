/** The catalog's queries, on PGlite and on a real Postgres: the same statements must mean the same on both. */
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  type AdapterCursor,
  type AdapterFilter,
  changeStatus,
  findVersion,
  isListedContent,
  searchAdapters,
  submitVersion,
} from '../db/adapters.ts';
import { filesOfBase, insertBase } from '../db/bases.ts';
import { expiredDrafts, findDraft, insertDraft } from '../db/drafts.ts';
import { type OpenDatabase, openDatabase } from '../db/open.ts';
import {
  adapters,
  baseFiles,
  bases,
  blobs,
  drafts,
  events,
  user,
  verifications,
  versionFiles,
  versions,
} from '../db/schema.ts';
import { type PostgresForTests, startPostgres } from './servers/postgres.ts';

const author = 'user-1';
const digest = (text: string) => text.padEnd(64, '0');

interface Made {
  readonly id: string;
  readonly title?: string;
  readonly summary?: string;
  readonly task?: string;
  readonly tags?: string[];
  readonly rank?: number;
  readonly content?: string;
  readonly createdAt?: Date;
}

async function list({ db }: OpenDatabase, made: Made) {
  const {
    id,
    title = 'Untitled',
    summary = '',
    task = null,
    tags = [],
    rank = 8,
    content = id,
    createdAt,
  } = made;
  const [owner, name] = id.split('/');
  const shared = { baseId: 'patchbay/tiny', rank, parameters: 10, size: 100 };
  const facts = {
    ...shared,
    id,
    owner: owner!,
    name: name!,
    title,
    summary,
    task,
    license: 'apache-2.0',
    languages: ['en'],
    tags,
    searchText: `${id.replace(/\W/g, ' ')} ${title} ${summary}`,
    ...(createdAt ? { createdAt } : {}),
  };
  const submitted = await submitVersion(
    db,
    facts,
    {
      ...shared,
      adapterId: id,
      digest: digest(content),
      config: {},
      card: '',
      targetModules: ['q_proj'],
      createdBy: author,
    },
    [{ path: 'adapter_config.json', sha256: digest(`file-${content}`), size: 100 }],
    { rules: 1 },
  );
  const { createdAt: _createdAt, ...repeated } = facts as typeof facts & { createdAt?: Date };
  const version = await db.transaction((tx) =>
    changeStatus(tx, submitted.version, 'passed', null, () => repeated),
  );
  return { ...submitted, version };
}

async function walk(
  open: OpenDatabase,
  filter: AdapterFilter,
  limit: number,
  between: () => Promise<unknown> = async () => undefined,
) {
  const seen: string[] = [];
  let after: AdapterCursor | undefined;
  do {
    const { rows, next } = await searchAdapters(open.db, filter, limit, after);
    seen.push(...rows.map(({ id }) => id));
    // A cursor goes through JSON on its way to the client and back.
    after = next && (JSON.parse(JSON.stringify(next)) as AdapterCursor);
    await between();
  } while (after);
  return seen;
}

describe.each(['PGlite', 'Postgres'] as const)('on %s', (kind) => {
  let server: PostgresForTests | undefined;
  let open: OpenDatabase;

  beforeAll(async () => {
    if (kind === 'Postgres') server = await startPostgres();
    open = await openDatabase(server ? { url: await server.createDatabase('catalog') } : { memory: true });
  });

  afterAll(async () => {
    await open.close();
    await server?.close();
  });

  beforeEach(async () => {
    for (const table of [
      verifications,
      versionFiles,
      versions,
      adapters,
      baseFiles,
      drafts,
      bases,
      blobs,
      events,
    ])
      await open.db.delete(table);
    await open.db.delete(user);
    await open.db.insert(user).values({ id: author, name: 'alice', email: 'alice@users.patchbay.invalid' });
    await insertBase(
      open.db,
      { id: 'patchbay/tiny', digest: digest('base'), config: {}, parameters: 1, createdBy: author },
      [{ path: 'config.json', sha256: digest('c'), size: 3 }],
    );
  });

  it('numbers versions from 1, and gives the same content the number it has', async () => {
    expect((await list(open, { id: 'alice/a', content: 'x' })).version.number).toBe(1);
    expect((await list(open, { id: 'alice/a', content: 'y' })).version.number).toBe(2);
    expect(await list(open, { id: 'alice/a', content: 'x' })).toMatchObject({
      created: false,
      version: { number: 1 },
    });
    expect((await findVersion(open.db, 'alice/a'))?.number).toBe(2);
    expect((await findVersion(open.db, 'alice/a', 1))?.digest).toBe(digest('x'));
  });

  it('gives versions listed at once different numbers, and one of two equal ones', async () => {
    const made = await Promise.all(
      ['p', 'q', 'r', 'r'].map((content) => list(open, { id: 'alice/b', content })),
    );
    expect(made.map(({ version }) => version.number).sort()).toHaveLength(4);
    expect(new Set(made.map(({ version }) => version.number))).toEqual(new Set([1, 2, 3]));
    expect(made.filter(({ created }) => created)).toHaveLength(3);
  });

  it('keeps the base that was there first', async () => {
    const other = {
      id: 'patchbay/tiny',
      digest: digest('other'),
      config: {},
      parameters: 1,
      createdBy: author,
    };
    expect(
      (await insertBase(open.db, other, [{ path: 'config.json', sha256: digest('d'), size: 3 }])).digest,
    ).toBe(digest('base'));
    expect(await filesOfBase(open.db, 'patchbay/tiny')).toHaveLength(1);
  });

  it('finds words in title, summary and name, best match first', async () => {
    await list(open, { id: 'alice/first', title: 'Writes poems', summary: 'about the weather' });
    await list(open, { id: 'alice/weather', title: 'Weather', summary: 'weather reports, every weather' });
    await list(open, { id: 'bob/other', title: 'Something else' });
    const ids = async (query: string) =>
      (await searchAdapters(open.db, { query }, 10)).rows.map(({ id }) => id);
    expect(await ids('weather')).toEqual(['alice/weather', 'alice/first']);
    expect(await ids('poem')).toEqual(['alice/first']); // stemmed
    expect(await ids('bob/oth')).toEqual(['bob/other']);
    expect(await ids('"nothing like it" -at | all (')).toEqual([]);
    expect(await ids('100%_')).toEqual([]);
  });

  it('filters by what an adapter says of itself', async () => {
    await list(open, { id: 'alice/a', task: 'translation', tags: ['seed', 'x'], rank: 4 });
    await list(open, { id: 'bob/b', task: 'chat', tags: ['seed'], rank: 64 });
    const ids = async (filter: AdapterFilter) =>
      (await searchAdapters(open.db, filter, 10)).rows.map(({ id }) => id).sort();
    expect(await ids({ tag: 'seed' })).toEqual(['alice/a', 'bob/b']);
    expect(await ids({ tag: 'x' })).toEqual(['alice/a']);
    expect(await ids({ task: 'chat', owner: 'bob' })).toEqual(['bob/b']);
    expect(await ids({ minRank: 5 })).toEqual(['bob/b']);
    expect(await ids({ maxRank: 5, language: 'en', license: 'apache-2.0', base: 'patchbay/tiny' })).toEqual([
      'alice/a',
    ]);
    expect(await ids({ base: 'other/base' })).toEqual([]);
  });

  it('walks all pages and meets every match once, while others are being listed', async () => {
    let run = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ matches: fc.boolean(), second: fc.integer({ min: 0, max: 3 }) }), {
          maxLength: 25,
        }),
        fc.integer({ min: 1, max: 7 }),
        fc.boolean(),
        async (rows, limit, byWords) => {
          const owner = `walker${run++}`;
          const expected: string[] = [];
          for (const [i, { matches, second }] of rows.entries()) {
            const id = `${owner}/a${i}`;
            // Many share a time: the order must not hang on it alone.
            await list(open, {
              id,
              title: matches ? 'kiwi' : 'plum',
              createdAt: new Date(1_700_000_000_000 + second * 1000),
            });
            if (matches || !byWords) expected.push(id);
          }
          let added = 0;
          const seen = await walk(open, byWords ? { owner, query: 'kiwi' } : { owner }, limit, () =>
            list(open, {
              id: `${owner}/new${added++}`,
              title: 'kiwi',
              createdAt: new Date(1_800_000_000_000 + added * 1000),
            }),
          );
          const old = seen.filter((id) => !id.includes('/new'));
          expect(old.sort()).toEqual(expected.sort());
          expect(new Set(seen).size).toBe(seen.length);
        },
      ),
      { numRuns: kind === 'Postgres' ? 15 : 8 },
    );
  });

  it('knows listed content from other content', async () => {
    await list(open, { id: 'alice/a', content: 'x' });
    expect(await isListedContent(open.db, digest('file-x'))).toBe(true);
    expect(await isListedContent(open.db, digest('c'))).toBe(true);
    expect(await isListedContent(open.db, digest('never'))).toBe(false);
  });

  it('keeps a draft with its files until it has expired', async () => {
    const id = crypto.randomUUID();
    const file = {
      path: 'README.md',
      sha256: digest('r'),
      size: 3,
      upload: { key: 'k', uploadId: 'u', partSize: 8 },
    };
    await insertDraft(
      open.db,
      {
        id,
        kind: 'adapter',
        target: 'alice/a',
        baseId: 'patchbay/tiny',
        createdBy: author,
        expiresAt: new Date(1000),
      },
      [file],
    );
    expect((await findDraft(open.db, id))?.files).toEqual([{ ...file, draftId: id }]);
    expect(await expiredDrafts(open.db, new Date(999), 10)).toEqual([]);
    expect(await expiredDrafts(open.db, new Date(1001), 10)).toEqual([id]);
  });
});
