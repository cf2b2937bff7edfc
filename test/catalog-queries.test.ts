/** The catalog's queries, on PGlite and on a real Postgres: the same statements must mean the same on both. */
import { eq } from 'drizzle-orm';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { changeStatus, findVersion, isListedContent, submitVersion } from '../db/adapters.ts';
import { filesOfBase, insertBase } from '../db/bases.ts';
import { announceBlobs } from '../db/blobs.ts';
import {
  type CatalogCursor,
  type CatalogFilter,
  countFacets,
  recountLabels,
  SORTS,
  type Sort,
  searchCatalog,
  similarTo,
} from '../db/catalog.ts';
import { FACETS, labelsOf } from '../db/catalog-labels.ts';
import { expiredDrafts, findDraft, insertDraft } from '../db/drafts.ts';
import { type OpenDatabase, openDatabase } from '../db/open.ts';
import { addDownloads, forgetDownloads, like, unlike } from '../db/popularity.ts';
import {
  adapters,
  baseFiles,
  bases,
  blobs,
  downloads,
  drafts,
  events,
  labelCounts,
  likes,
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
  readonly languages?: string[];
  readonly evalGain?: number;
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
    languages = ['en'],
    evalGain = null,
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
    languages,
    tags,
    evalGain,
    namesText: `${id} ${id.replace(/\W/g, ' ')} ${title}`,
    searchText: `${id.replace(/\W/g, ' ')} ${title} ${summary}`,
    ...(createdAt ? { createdAt } : {}),
  };
  const labels = labelsOf(facts as Parameters<typeof labelsOf>[0], undefined);
  const files = [{ path: 'adapter_config.json', sha256: digest(`file-${content}`), size: 100 }];
  await announceBlobs(db, files, new Date());
  const submitted = await submitVersion(
    db,
    { ...facts, labels },
    {
      ...shared,
      adapterId: id,
      digest: digest(content),
      config: {},
      card: '',
      targetModules: ['q_proj'],
      createdBy: author,
    },
    files,
    { rules: 1 },
  );
  const { createdAt: _createdAt, ...repeated } = facts as typeof facts & { createdAt?: Date };
  const version = await db.transaction((tx) =>
    changeStatus(tx, submitted.version, 'passed', null, () => ({ ...repeated, labels })),
  );
  return { ...submitted, version };
}

async function walk(
  open: OpenDatabase,
  filter: CatalogFilter,
  { limit, sort }: { limit: number; sort: Sort },
  between: () => Promise<unknown> = async () => undefined,
) {
  const seen: string[] = [];
  let after: CatalogCursor | undefined;
  do {
    const { rows, next } = await searchCatalog(open.db, filter, { sort, limit, after });
    seen.push(...rows.map(({ id }) => id));
    // A cursor goes through JSON on its way to the client and back.
    after = next && (JSON.parse(JSON.stringify(next)) as CatalogCursor);
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
      labelCounts,
      downloads,
      likes,
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
    const files = [{ path: 'config.json', sha256: digest('c'), size: 3 }];
    await announceBlobs(open.db, files, new Date());
    await insertBase(
      open.db,
      { id: 'patchbay/tiny', digest: digest('base'), config: {}, parameters: 1, createdBy: author },
      files,
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
    const files = [{ path: 'config.json', sha256: digest('d'), size: 3 }];
    await announceBlobs(open.db, files, new Date());
    expect((await insertBase(open.db, other, files)).digest).toBe(digest('base'));
    expect(await filesOfBase(open.db, 'patchbay/tiny')).toHaveLength(1);
  });

  const idsOf = async (filter: CatalogFilter, sort: Sort = 'relevance', limit = 10) =>
    (await searchCatalog(open.db, filter, { sort, limit })).rows.map(({ id }) => id);

  it('finds words in title, summary and name, those that are called so first', async () => {
    await list(open, { id: 'alice/first', title: 'Writes poems', summary: 'about the weather' });
    await list(open, { id: 'alice/weather', title: 'Weather', summary: 'weather reports, every weather' });
    await list(open, { id: 'bob/other', title: 'Something else' });
    expect(await idsOf({ query: 'weather' })).toEqual(['alice/weather', 'alice/first']);
    expect(await idsOf({ query: 'poem' })).toEqual(['alice/first']); // stemmed
    expect(await idsOf({ query: 'bob/oth' })).toEqual(['bob/other']);
    expect(await idsOf({ query: '"nothing like it" -at | all (' })).toEqual([]);
    expect(await idsOf({ query: '100%_' })).toEqual([]);
  });

  it('offers what is called alike when nothing holds the words', async () => {
    await list(open, { id: 'alice/sentiment', title: 'Sentiment of reviews' });
    await list(open, { id: 'bob/translator', title: 'Translator' });
    const page = await searchCatalog(open.db, { query: 'sentimnet' }, { sort: 'relevance', limit: 10 });
    expect(page).toMatchObject({ alike: true, next: undefined, rows: [{ id: 'alice/sentiment' }] });
    expect(await idsOf({ query: 'sentimnet', owner: 'bob' })).toEqual([]);
  });

  it('finds by less than three letters what is called so, or begins so', async () => {
    await list(open, { id: 'alice/sql', title: 'Queries' });
    await list(open, { id: 'alice/go', title: 'Programs in Go' });
    await list(open, { id: 'bob/square', title: 'Angles' });
    await list(open, { id: 'bob/asq', title: 'Ends so' });
    const found = async (query: string, more: CatalogFilter = {}) => {
      const { rows, alike } = await searchCatalog(
        open.db,
        { query, ...more },
        { sort: 'relevance', limit: 10 },
      );
      return [alike, rows.map(({ id }) => id)];
    };
    expect(await found('s')).toEqual([true, ['alice/sql', 'bob/square']]);
    expect(await found('SQ')).toEqual([true, ['alice/sql', 'bob/square']]);
    expect(await found('sq', { owner: 'bob' })).toEqual([true, ['bob/square']]);
    expect(await found('go')).toEqual([false, ['alice/go']]); // a word
    for (const query of ['%', '_q', '\\', 'zz']) expect(await found(query)).toEqual([true, []]);
  });

  it('finds what is of one of several bases', async () => {
    await list(open, { id: 'alice/a' });
    expect(await idsOf({ bases: ['patchbay/tiny', 'other/base'] }, 'newest')).toEqual(['alice/a']);
    expect(await idsOf({ bases: ['other/base'] }, 'newest')).toEqual([]);
    expect(await idsOf({ bases: [] }, 'newest')).toEqual([]);
  });

  it('filters by what an adapter says of itself', async () => {
    await list(open, { id: 'alice/a', task: 'translation', tags: ['seed', 'x'], rank: 4 });
    await list(open, { id: 'bob/b', task: 'chat', tags: ['seed'], rank: 64 });
    const ids = async (filter: CatalogFilter) => (await idsOf(filter, 'newest')).sort();
    expect(await ids({ facets: { tag: 'seed' } })).toEqual(['alice/a', 'bob/b']);
    expect(await ids({ facets: { tag: 'x' } })).toEqual(['alice/a']);
    expect(await ids({ facets: { task: 'chat' }, owner: 'bob' })).toEqual(['bob/b']);
    expect(await ids({ facets: { rank: '64' } })).toEqual(['bob/b']);
    expect(await ids({ minRank: 5 })).toEqual(['bob/b']);
    const all = { language: 'en', license: 'apache-2.0', base: 'patchbay/tiny', size: '1MB' };
    expect(await ids({ maxRank: 5, facets: all })).toEqual(['alice/a']);
    expect(await ids({ facets: { base: 'other/base' } })).toEqual([]);
    expect(await ids({ tagsOrLanguages: ['en', 'x'] })).toEqual(['alice/a']);
  });

  it('orders by what is counted, and by what was measured', async () => {
    for (const [name, evalGain] of [
      ['a', 0.5],
      ['b', 2],
      ['c', undefined],
    ] as const)
      await list(open, { id: `alice/${name}`, ...(evalGain === undefined ? {} : { evalGain }) });
    await addDownloads(
      open.db,
      new Map([
        ['alice/c', 3],
        ['alice/a', 1],
      ]),
      '2026-11-24',
    );
    await addDownloads(open.db, new Map([['alice/c', 4]]), '2026-11-24');
    await open.db.insert(user).values({ id: 'user-2', name: 'bob', email: 'bob@users.patchbay.invalid' });
    expect(await like(open.db, 'alice/b', author)).toBe(true);
    expect(await like(open.db, 'alice/b', author)).toBe(false);
    expect(await like(open.db, 'alice/b', 'user-2')).toBe(true);
    expect(await like(open.db, 'alice/a', author)).toBe(true);
    expect(await idsOf({}, 'downloads')).toEqual(['alice/c', 'alice/a', 'alice/b']);
    expect(await idsOf({}, 'likes')).toEqual(['alice/b', 'alice/a', 'alice/c']);
    expect(await idsOf({}, 'gain')).toEqual(['alice/b', 'alice/a']);
    expect(await unlike(open.db, 'alice/b', author)).toBe(true);
    expect(await unlike(open.db, 'alice/b', author)).toBe(false);
    const [first] = (await searchCatalog(open.db, {}, { sort: 'downloads', limit: 1 })).rows;
    expect(first).toMatchObject({ id: 'alice/c', downloads: 7, likes: 0 });
  });

  it('counts downloads of the last days alone', async () => {
    await list(open, { id: 'alice/a' });
    await addDownloads(
      open.db,
      new Map([
        ['alice/a', 3],
        ['alice/gone', 9],
      ]),
      '2026-10-01',
    );
    await addDownloads(open.db, new Map([['alice/a', 4]]), '2026-11-24');
    expect(await forgetDownloads(open.db, '2026-10-26')).toBe(1);
    expect(await forgetDownloads(open.db, '2026-10-26')).toBe(0);
    expect((await searchCatalog(open.db, {}, { sort: 'downloads', limit: 1 })).rows[0]?.downloads).toBe(4);
  });

  it('finds those like one: of its base and task, most tags in common first', async () => {
    await list(open, { id: 'a/one', task: 'chat', tags: ['x', 'y'] });
    await list(open, { id: 'a/both', task: 'chat', tags: ['y', 'x'] });
    await list(open, { id: 'a/half', task: 'chat', tags: ['y'] });
    await list(open, { id: 'a/none', task: 'sql', tags: ['x', 'y'] });
    const [one] = (await searchCatalog(open.db, { query: 'a/one' }, { sort: 'relevance', limit: 1 })).rows;
    expect((await similarTo(open.db, one!, [], 6)).map(({ id }) => id)).toEqual(['a/both', 'a/half']);
  });

  it('counts the values of each facet among what the other filters leave', async () => {
    const anyMade = fc.record({
      task: fc.constantFrom('chat', 'sql', 'label'),
      tags: fc.subarray(['x', 'y', 'z']),
      languages: fc.subarray(['en', 'de'], { minLength: 1 }),
      rank: fc.constantFrom(2, 8, 500),
      title: fc.constantFrom('kiwi', 'plum'),
    });
    const anyFilter = fc.record(
      {
        task: fc.constantFrom('chat', 'sql'),
        language: fc.constantFrom('en', 'de'),
        rank: fc.constantFrom('4', '8', 'more'),
        tag: fc.constantFrom('x', 'y'),
      },
      { requiredKeys: [] },
    );
    let run = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyMade, { maxLength: 12 }),
        anyFilter,
        fc.boolean(),
        async (all, facets, byWords) => {
          const owner = `counted${run++}`;
          for (const [i, made] of all.entries()) await list(open, { id: `${owner}/a${i}`, ...made });
          const filter = { owner, facets, ...(byWords ? { query: 'kiwi' } : {}) };
          const labelled = all
            .filter(({ title }) => !byWords || title === 'kiwi')
            .map((made) =>
              labelsOf(
                { owner, baseId: 'patchbay/tiny', license: 'apache-2.0', size: 100, ...made },
                undefined,
              ),
            );
          const matching = (without?: string) =>
            labelled.filter((labels) =>
              Object.entries(facets).every(
                ([facet, value]) => facet === without || labels.includes(`${facet}:${value}`),
              ),
            );
          const counts = await countFacets(open.db, filter);
          expect(counts).toMatchObject({ total: matching().length, exact: true });
          for (const facet of FACETS) {
            const counted = new Map<string, number>();
            for (const label of matching(facet in facets ? facet : undefined).flat())
              if (label.startsWith(`${facet}:`)) counted.set(label, (counted.get(label) ?? 0) + 1);
            expect(
              new Map(counts.facets[facet].map(({ value, count }) => [`${facet}:${value}`, count])),
            ).toEqual(counted);
          }
        },
      ),
      { numRuns: kind === 'Postgres' ? 15 : 8 },
    );
  });

  it('keeps counts of all labels for when there is too much to count', async () => {
    await list(open, { id: 'alice/a', tags: ['x'] });
    await list(open, { id: 'alice/b', tags: ['x', 'y'] });
    await recountLabels(open.db);
    await recountLabels(open.db);
    const kept = new Map(
      (await open.db.select().from(labelCounts)).map(({ label, count }) => [label, count]),
    );
    expect(kept.get('all:')).toBe(2);
    expect(kept.get('tag:x')).toBe(2);
    expect(kept.get('tag:y')).toBe(1);
    expect(kept.has('owner:alice')).toBe(false);
  });

  it('walks all pages and meets every match once, in any order, while others are being listed', async () => {
    let run = 0;
    const anyRow = fc.record({
      matches: fc.constantFrom('called', 'mentioned', 'not'),
      second: fc.integer({ min: 0, max: 3 }),
      downloads: fc.integer({ min: 0, max: 2 }),
      likes: fc.integer({ min: 0, max: 1 }),
      gain: fc.option(fc.constantFrom(-1, 0, 0.25), { nil: undefined }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyRow, { maxLength: 25 }),
        fc.integer({ min: 1, max: 7 }),
        fc.constantFrom(...SORTS),
        fc.boolean(),
        async (rows, limit, sort, byWords) => {
          const owner = `walker${run++}`;
          const expected: string[] = [];
          for (const [i, { matches, second, downloads, likes, gain }] of rows.entries()) {
            const id = `${owner}/a${i}`;
            // Many share a time: the order must not hang on it alone.
            await list(open, {
              id,
              title: matches === 'called' ? 'kiwi' : 'plum',
              summary: matches === 'mentioned' ? 'a kiwi' : '',
              createdAt: new Date(1_700_000_000_000 + second * 1000),
              ...(gain === undefined ? {} : { evalGain: gain }),
            });
            await open.db.update(adapters).set({ downloads, likes }).where(eq(adapters.id, id));
            if ((matches !== 'not' || !byWords) && (sort !== 'gain' || gain !== undefined)) expected.push(id);
          }
          let added = 0;
          const filter = byWords ? { owner, query: 'kiwi' } : { owner };
          const seen = await walk(open, filter, { limit, sort }, () =>
            list(open, {
              id: `${owner}/new${added++}`,
              title: 'kiwi',
              evalGain: 5,
              createdAt: new Date(1_800_000_000_000 + added * 1000),
            }),
          );
          const old = seen.filter((id) => !id.includes('/new'));
          expect(old.sort()).toEqual(expected.sort());
          expect(new Set(seen).size).toBe(seen.length);
        },
      ),
      { numRuns: kind === 'Postgres' ? 25 : 12 },
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
