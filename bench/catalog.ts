/**
 * The catalog with a million adapters, on a real Postgres: pages as the site asks for them (words, filters, orders, counts of the
 * facets, pages far behind), and lists of models as Hugging Face's and OpenAI's clients ask for them, through the API over HTTP; and, as
 * the peer, the very same statements sent to the server by its plain driver.
 */
import { Agent, get, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import pLimit from 'p-limit';
import pg from 'pg';
import { recountLabels } from '../db/catalog.ts';
import { InProcess } from '../test/in-process.ts';
import { recording, type Statement, startPostgres } from '../test/servers/postgres.ts';
import { draws, type Figure, median, note, timed } from './measure.ts';

const ADAPTERS = 1_000_000;
const REQUESTS = 400;
const LISTS = 100;
const AT_ONCE = 4;
const SEED = 0.42;

const WORDS =
  'sql json weather sentiment legal medical poems french translator support rust python haiku tweets'.split(
    ' ',
  );

/** Adapters by the million: few bases and tasks have most of them, most have few downloads. */
const FILL = [
  `select setseed(${SEED})`,
  `insert into bases (id, digest, config, parameters, created_by)
     select 'org' || i || '/base-' || i, md5(i::text) || md5(i::text), '{}', 1, (select id from "user" limit 1)
     from generate_series(1, 60) i`,
  `create temporary table words as select * from unnest(array[${WORDS.map((word) => `'${word}'`)}]) with ordinality as t(word, n)`,
  `insert into adapters (id, owner, name, created_at, updated_at, latest, base_id, title, summary, task, license, languages,
       tags, rank, parameters, size, eval_gain, names_text, search_text, labels, downloads, likes)
     select owner || '/' || name, owner, name, at, at, 1, base, title, summary, task, license, array[language], array[tag1, tag2],
       rank, rank * 1000, size, case when i % 3 = 0 then random() * 2 - 0.3 end,
       owner || '/' || name || ' ' || title, owner || ' ' || name || ' ' || title || ' ' || summary || ' ' || task,
       array['owner:' || owner, 'base:' || base, 'task:' || task, 'license:' || license, 'language:' || language,
         'tag:' || tag1, 'tag:' || tag2, 'rank:' || rank, 'size:' || case when size < 1e7 then '10MB' else '100MB' end],
       floor(power(random(), 8) * 100000), floor(power(random(), 9) * 1000)
     from (
       select i, 'user' || (random() * 50000)::int as owner, 'adapter-' || i as name,
         now() - random() * interval '700 days' as at,
         'org' || (1 + floor(power(random(), 4) * 60))::int || '/base-' || (1 + floor(power(random(), 4) * 60))::int as pair,
         'task-' || floor(power(random(), 3) * 30)::int as task,
         'license-' || floor(power(random(), 3) * 15)::int as license,
         'l' || floor(power(random(), 3) * 40)::int as language,
         'tag-' || floor(power(random(), 3) * 3000)::int as tag1, 'tag-' || floor(power(random(), 3) * 3000)::int as tag2,
         (array[4, 8, 16, 32, 64])[1 + floor(random() * 5)::int] as rank,
         floor(power(random(), 3) * 100000000)::bigint as size,
         w1.word || ' ' || w2.word as title, 'Answers about ' || w3.word || ' in the manner of ' || i as summary,
         'org' || b || '/base-' || b as base
       from (select i, 1 + floor(power(random(), 4) * 60)::int as b,
               1 + floor(power(random(), 2) * ${WORDS.length})::int as a1, 1 + floor(power(random(), 2) * ${WORDS.length})::int as a2,
               1 + floor(power(random(), 2) * ${WORDS.length})::int as a3
             from generate_series(1, ${ADAPTERS}) i) r
         join words w1 on w1.n = a1 join words w2 on w2.n = a2 join words w3 on w3.n = a3
     ) made`,
  'vacuum analyze adapters',
];

/** What visitors ask for: half of them with words, most with a filter or two, now and then a page far behind. */
function randomQuery(next: () => number): URLSearchParams {
  const query = new URLSearchParams({ counts: 'true', limit: '20' });
  const few = (count: number) => Math.floor(next() ** 3 * count);
  const maybe = (name: string, chance: number, value: () => string) => {
    if (next() < chance) query.set(name, value());
  };
  const word = () => WORDS[few(WORDS.length)]!;
  maybe('q', 0.5, () => (next() < 0.3 ? `${word()} ${word()}` : word()));
  maybe('base', 0.4, () => {
    const n = 1 + few(60);
    return `org${n}/base-${n}`;
  });
  maybe('task', 0.3, () => `task-${few(30)}`);
  maybe('language', 0.2, () => `l${few(40)}`);
  maybe('license', 0.15, () => `license-${few(15)}`);
  maybe('tag', 0.1, () => `tag-${few(3000)}`);
  maybe('rank', 0.15, () => ['4', '8', '16', '32', '64'][few(5)]!);
  maybe('sort', 0.5, () => ['newest', 'downloads', 'likes', 'gain'][few(4)]!);
  return query;
}

export async function run(): Promise<Figure[]> {
  const server = await startPostgres();
  const url = await server.createDatabase('catalog');
  const api = await InProcess.open({ url });
  try {
    const pool = new pg.Pool({ connectionString: url, max: 1 });
    note(`listing ${ADAPTERS.toLocaleString('en')} adapters`);
    for (const statement of FILL) await pool.query(statement);
    await recountLabels(api.deps.db);
    const at = await api.listen();
    const next = draws(7);
    const queries = Array.from({ length: REQUESTS }, () => randomQuery(next));
    const page = async (query: URLSearchParams) =>
      JSON.parse(await ask(`${at}/api/adapters?${query}`, {})) as { next: string | null };
    const list = (path: string) => ask(`${at}${path}`, { authorization: `Bearer ${api.admin}` });
    const hubList = (query: URLSearchParams) => {
      const [search, base] = [query.get('q'), query.get('base')];
      const asked = new URLSearchParams({ limit: '20', ...(search ? { search } : {}) });
      if (base) asked.set('filter', `base_model:${base}`);
      return list(`/api/models?${asked}`);
    };
    const openaiList = () => list('/v1/models');
    for (const [i, query] of queries.entries()) {
      const { next: cursor } = await page(query); // warms the cache, and leads to the next page
      if (cursor && i % 4 === 0) query.set('cursor', cursor);
    }
    const figures = [
      ...(await compare('page', url, queries, page)),
      ...(await compare('hub_list', url, queries.slice(0, LISTS), hubList)),
      ...(await compare('openai_list', url, queries.slice(0, LISTS), openaiList)),
    ];
    await closeDirect();
    agent.destroy();
    await pool.end();
    return figures;
  } finally {
    await api.close();
    await server.close();
  }
}

const agent = new Agent({ keepAlive: true });

/** By a client that costs little beside what it measures, as the plain driver does: `fetch` takes as long as a small request. */
async function ask(url: string, headers: Record<string, string>): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  get(url, { agent, headers }, resolve).on('error', reject);
  const response = await promise;
  const body = await text(response);
  if (response.statusCode !== 200) throw new Error(body);
  return body;
}

/** Each query through the API and as bare statements, by turns one first and the other; and all of them again, several at once. */
async function compare(
  name: string,
  url: string,
  queries: readonly URLSearchParams[],
  answer: (query: URLSearchParams) => Promise<unknown>,
): Promise<Figure[]> {
  const [ours, bare]: [number[], number[]] = [[], []];
  const sent: Statement[][] = [];
  for (const [i, query] of queries.entries()) {
    const statements: Statement[] = [];
    await recording(statements, () => answer(query)); // and both then find in memory what they read
    const through = async () => ours.push(await timed(() => answer(query)));
    const directly = async () =>
      bare.push(await timed(() => Promise.all(statements.map((statement) => direct(url, statement)))));
    for (const turn of i % 2 === 0 ? [through, directly] : [directly, through]) await turn();
    sent.push(statements);
  }
  const slowest = ours.map((ms, i) => ({ ms, query: `${queries[i]}` })).sort((a, b) => b.ms - a.ms);
  for (const { ms, query } of slowest.slice(0, 3)) note(`${name}: ${ms.toFixed(0)} ms  ${query}`);
  const perSecond = await rate(queries, answer);
  const barePerSecond = await rate(sent, (all) => Promise.all(all.map((one) => direct(url, one))));
  return [
    { key: `${name}_p50_ms_at_1m`, value: median(ours), unit: 'ms' },
    { key: `${name}_p95_ms_at_1m`, value: percentile(ours, 0.95), unit: 'ms' },
    { key: `${name}_p99_ms_at_1m`, value: percentile(ours, 0.99), unit: 'ms' },
    { key: `${name}_over_sql`, value: median(ours) / median(bare), unit: 'ratio' },
    { key: `${name}_over_sql_p99`, value: percentile(ours, 0.99) / percentile(bare, 0.99), unit: 'ratio' },
    { key: `${name}_per_s`, value: perSecond, unit: '1/s' },
    { key: `${name}_sql_per_s`, value: barePerSecond, unit: '1/s' },
  ];
}

/** How many a second, several at once. */
async function rate<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<number> {
  const limit = pLimit(AT_ONCE);
  const ms = await timed(() => Promise.all(items.map((item) => limit(() => work(item)))));
  return (1000 * items.length) / ms;
}

const percentile = (values: readonly number[], share: number) =>
  [...values].sort((a, b) => a - b)[Math.floor(share * values.length)]!;

let directPool: pg.Pool | undefined;

function direct(url: string, { text, values }: Statement): Promise<unknown> {
  directPool ??= new pg.Pool({ connectionString: url, max: 10 });
  return directPool.query({ text, values });
}

async function closeDirect(): Promise<void> {
  await directPool?.end();
}
