/** How the catalog's queries are carried out on a real Postgres with many adapters: by its indexes, whatever is asked. */
import type { Pool } from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type CatalogCursor, type CatalogFilter, type Sort, searchCatalog } from '../db/catalog.ts';
import { type OpenDatabase, openDatabase } from '../db/open.ts';
import { createPool } from '../db/postgres.ts';
import { type PostgresForTests, recording, type Statement, startPostgres } from './servers/postgres.ts';

const ADAPTERS = 40_000;
/** Of one statement: the candidates, and what else an index leads to. */
const READ_AT_MOST = 4_000;

/** A few are of a rare base and rank; all are called something with `mothi`, as a part of a word. */
const FILL = [
  `insert into "user" (id, name, email) values ('user-1', 'alice', 'alice@users.patchbay.invalid')`,
  `insert into bases (id, digest, config, parameters, created_by)
     select 'org/' || name, repeat('0', 64), '{}', 1, 'user-1' from unnest(array['usual', 'rare']) name`,
  `insert into adapters (id, owner, name, latest, base_id, title, summary, languages, tags, rank, parameters, size,
       names_text, search_text, labels, downloads)
     select owner || '/' || name, owner, name, 1, base, title, '', array['en'], array[]::text[], rank, 1, 1,
       owner || '/' || name || ' ' || title, name || ' ' || title,
       array['owner:' || owner, 'base:' || base, 'language:en', 'rank:' || rank], i % 97
     from (select i, 'user' || i % 5000 as owner, chr(97 + i % 20) || 'mothing' || i % 2 || '-' || i as name,
         case when i % 10000 = 1 then 'org/rare' else 'org/usual' end as base, 'Answers ' || md5(i::text) as title,
         case when i % 10000 = 2 then 500 else 8 end as rank
       from generate_series(1, ${ADAPTERS}) i) made`,
  'vacuum analyze adapters',
];

let server: PostgresForTests;
let open: OpenDatabase;
let pool: Pool;

beforeAll(async () => {
  server = await startPostgres();
  const url = await server.createDatabase('plans');
  open = await openDatabase({ url });
  pool = createPool(url, { max: 1 });
  for (const statement of FILL) await pool.query(statement);
});

afterAll(async () => {
  await pool.end();
  await open.close();
  await server.close();
});

interface Plan {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Actual Rows': number;
  readonly 'Actual Loops': number;
  readonly 'Rows Removed by Filter'?: number;
  readonly 'Rows Removed by Index Recheck'?: number;
  readonly Plans?: readonly Plan[];
}

const nodesOf = (plan: Plan): Plan[] => [plan, ...(plan.Plans ?? []).flatMap(nodesOf)];

/** What is read of the catalog, and how. */
async function explained({ text, values }: Statement) {
  const { rows } = await pool.query({ text: `explain (analyze, format json) ${text}`, values });
  const scans = nodesOf(rows[0]['QUERY PLAN'][0].Plan).filter((node) => node['Relation Name'] === 'adapters');
  const read = scans.map(
    (node) =>
      node['Actual Loops'] *
      (node['Actual Rows'] +
        (node['Rows Removed by Filter'] ?? 0) +
        (node['Rows Removed by Index Recheck'] ?? 0)),
  );
  return { how: scans.map((node) => node['Node Type']), read: read.reduce((sum, count) => sum + count, 0) };
}

const asked: readonly [string, CatalogFilter, Sort, number][] = [
  ['one letter', { query: 't' }, 'relevance', 20],
  ['one letter that few begin with', { query: 'Z' }, 'relevance', 0],
  ['two letters', { query: 'tm' }, 'relevance', 20],
  ['two letters that nothing begins with', { query: 'zz' }, 'relevance', 0],
  ['a sign', { query: '%' }, 'relevance', 0],
  ['a letter of another script', { query: '\u7ffb' }, 'relevance', 0],
  ['three letters that nothing has', { query: 'zzq' }, 'relevance', 0],
  ['a part of many words', { query: 'mothi' }, 'relevance', 20],
  ['a word that is like none', { query: 'xylophonist' }, 'relevance', 0],
  ['bases that few are of', { bases: ['org/rare', 'org/none'] }, 'newest', 4],
  ['bases that none is of', { bases: ['org/none'] }, 'downloads', 0],
  ['no base', { bases: [] }, 'newest', 0],
  ['bases that most are of', { bases: ['org/usual'] }, 'downloads', 20],
  ['ranks that few have', { minRank: 100 }, 'downloads', 4],
  ['ranks that none has', { minRank: 9, maxRank: 100 }, 'newest', 0],
  ['ranks that most have', { maxRank: 8 }, 'newest', 20],
];

it.each(asked)('%s', async (_what, filter, sort, found) => {
  const statements: Statement[] = [];
  const isEverywhere = filter.query === 'mothi'; // then the first thousand rows are the candidates
  const page = await recording(statements, () => searchCatalog(open.db, filter, { sort, limit: 20 }));
  expect(page.rows).toHaveLength(found);
  expect(statements.length).toBeGreaterThan(0);
  for (const statement of statements) {
    const { how, read } = await explained(statement);
    if (!isEverywhere) expect(how, statement.text).not.toContain('Seq Scan');
    expect(read, statement.text).toBeLessThan(READ_AT_MOST);
  }
});

it('a page behind a key that all have, of what few are', async () => {
  const statements: Statement[] = [];
  const filter: CatalogFilter = { facets: { base: 'org/rare' } };
  const after: CatalogCursor = { sort: 'likes', tier: 0, key: 0, createdAt: '2100-01-01T00:00:00Z', id: '' };
  const page = await recording(statements, () =>
    searchCatalog(open.db, filter, { sort: 'likes', limit: 20, after }),
  );
  expect(page.rows).toHaveLength(4);
  for (const statement of statements) {
    const { read } = await explained(statement);
    expect(read, statement.text).toBeLessThan(READ_AT_MOST);
  }
});
