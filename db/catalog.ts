/**
 * Searching the catalog: pages, and how many there are of what. Every page is a walk along an index in the order asked for, or
 * a look into one of labels, words, ranks, or parts and beginnings of names; nothing sorts or reads a million rows.
 */
import {
  and,
  arrayContains,
  arrayOverlaps,
  count,
  desc,
  eq,
  gte,
  isNotNull,
  lte,
  not,
  or,
  type SQL,
  sql,
} from 'drizzle-orm';
import { type Adapter, adapterColumns, type PrivateOf, visible } from './adapters.ts';
import { FACETS, type Facet, labelOf } from './catalog-labels.ts';
import type { Database } from './open.ts';
import { adapters, labelCounts } from './schema.ts';

export interface CatalogFilter {
  /** Whose private adapters are among them, besides all public ones; without it, nobody's. */
  readonly privateOf?: PrivateOf;
  readonly query?: string | undefined;
  readonly owner?: string | undefined;
  /** One of these. */
  readonly bases?: readonly string[] | undefined;
  readonly minRank?: number | undefined;
  readonly maxRank?: number | undefined;
  /** All of them. */
  readonly facets?: Partial<Record<Facet, string | undefined>>;
  /** Each a tag or a language. */
  readonly tagsOrLanguages?: readonly string[];
}

export const SORTS = ['relevance', 'newest', 'downloads', 'likes', 'gain'] as const;
export type Sort = (typeof SORTS)[number];

/** The last row of a page, as its order sees it. */
export interface CatalogCursor {
  readonly sort: Sort;
  /** 0: called so, 1: it is mentioned. Only in the order of relevance. */
  readonly tier: 0 | 1;
  readonly key: number | null;
  readonly createdAt: string;
  readonly id: string;
}

export interface CatalogPage {
  readonly rows: Adapter[];
  readonly next: CatalogCursor | undefined;
  /** Nothing holds the words; these are called something like it. */
  readonly alike: boolean;
}

const KEYS = {
  relevance: adapters.downloads,
  downloads: adapters.downloads,
  likes: adapters.likes,
  gain: adapters.evalGain,
  newest: undefined,
} as const;

/**
 * In the order of `sort`, then newest first, then by name. Pages go on behind `after` in exactly this order over the filtered
 * rows (a keyset), so a walk neither skips nor repeats while others are listed. By relevance, those that are called what is
 * asked for come before those that mention it; either by downloads.
 */
export async function searchCatalog(
  db: Database,
  filter: CatalogFilter,
  { sort, limit, after }: { sort: Sort; limit: number; after?: CatalogCursor | undefined },
): Promise<CatalogPage> {
  const words = wordsOf(filter.query);
  const rows: Adapter[] = [];
  let last: CatalogCursor | undefined;
  for (const { tier, where } of stretches(words, sort, after)) {
    if (rows.length > limit) break;
    const found = await db
      .select(adapterColumns)
      .from(adapters)
      .where(and(matching(filter), where, measured(sort)))
      .orderBy(...order(sort))
      .limit(limit + 1 - rows.length);
    // The last row of the page may be of this stretch, and the one behind it of a later one.
    const end = found[Math.min(found.length, limit - rows.length) - 1];
    if (end) last = cursorOf(sort, tier, end);
    rows.push(...found);
  }
  if (rows.length === 0 && words && !after)
    return {
      rows: await alike(db, and(matching(filter), measured(sort)), filter.query!.trim(), limit),
      next: undefined,
      alike: true,
    };
  return { rows: rows.slice(0, limit), next: rows.length > limit ? last : undefined, alike: false };
}

/** The newest, and of each no more than a list of a thousand of them tells. */
export function newestModels(
  db: Database,
  privateOf: PrivateOf,
  limit: number,
): Promise<Pick<Adapter, 'id' | 'baseId' | 'createdAt'>[]> {
  return db
    .select({ id: adapters.id, baseId: adapters.baseId, createdAt: adapters.createdAt })
    .from(adapters)
    .where(matching({ privateOf }))
    .orderBy(...order('newest'))
    .limit(limit);
}

/** What a walk goes through, one after the other: by relevance, those called so and those that mention it; each behind the cursor. */
function stretches(
  words: ReturnType<typeof wordsOf>,
  sort: Sort,
  after: CatalogCursor | undefined,
): { tier: 0 | 1; where: SQL | undefined }[] {
  const tiers =
    words && sort === 'relevance'
      ? [words.called, and(words.mentioned, not(words.called))]
      : [words?.mentioned];
  return tiers.flatMap((found, i) => {
    const tier = i as 0 | 1;
    if (!after || tier > after.tier) return [{ tier, where: found }];
    if (tier < after.tier) return [];
    return behind(sort, after).map((where) => ({ tier, where: and(found, where) }));
  });
}

const measured = (sort: Sort) => (sort === 'gain' ? isNotNull(adapters.evalGain) : undefined);

function order(sort: Sort): SQL[] {
  const key = KEYS[sort];
  return [...(key ? [desc(key)] : []), desc(adapters.createdAt), desc(adapters.id)];
}

/**
 * Those with the same key, then those with a lower one: in one comparison, Postgres would suppose that hardly any are behind a
 * key that a quarter of all have.
 */
function behind(sort: Sort, { key, createdAt, id }: CatalogCursor): SQL[] {
  const column = KEYS[sort];
  const older = sql`(${adapters.createdAt}, ${adapters.id}) < (${createdAt}::timestamptz, ${id})`;
  return column && key !== null ? [sql`${column} = ${key} and ${older}`, sql`${column} < ${key}`] : [older];
}

function cursorOf(sort: Sort, tier: 0 | 1, row: Adapter): CatalogCursor {
  const key = {
    relevance: row.downloads,
    downloads: row.downloads,
    likes: row.likes,
    gain: row.evalGain,
    newest: null,
  };
  return { sort, tier, key: key[sort], createdAt: row.createdAt.toISOString(), id: row.id };
}

/** What holds the words: in what it is called, or anywhere. */
function wordsOf(query: string | undefined) {
  const text = query?.trim();
  if (!text) return undefined;
  const tsquery = sql`websearch_to_tsquery('english', ${text})`;
  return { called: sql`${adapters.names} @@ ${tsquery}`, mentioned: sql`${adapters.search} @@ ${tsquery}` };
}

const literally = (text: string): string => text.replace(/[\\%_]/g, '\\$&');

/** What the index of trigrams can look for; letters that are none in every database's locale have none there. */
const TRIGRAM = /[a-z0-9]{3}/i;
/** Of so many that are called something like it, the nearest: the rest of a very common part is not weighed. */
const CANDIDATES = 1_000;

/** Where nothing holds the words: names that have them as parts, or look like them; of less than three letters, that begin so. */
function alike(db: Database, among: SQL | undefined, text: string, limit: number): Promise<Adapter[]> {
  if (!TRIGRAM.test(text)) return beginning(db, among, text, limit);
  const isPart = sql`${adapters.namesText} ilike ${`%${literally(text)}%`}`;
  const called = db
    .select({ id: adapters.id })
    .from(adapters)
    .where(and(among, or(isPart, sql`${adapters.namesText} %> ${text}`)));
  // Materialised, so that it is planned without the limit, as what it is: a look into an index, and not a walk that soon has enough.
  const candidates = sql`array(with called as materialized ${called} select id from called limit ${CANDIDATES})`;
  return db
    .select(adapterColumns)
    .from(adapters)
    .where(sql`${adapters.id} = any(${candidates})`)
    .orderBy(
      sql`${isPart} desc`,
      sql`word_similarity(${text}, ${adapters.namesText}) desc`,
      desc(adapters.downloads),
      desc(adapters.id),
    )
    .limit(limit);
}

function beginning(db: Database, among: SQL | undefined, text: string, limit: number): Promise<Adapter[]> {
  const name = sql`${adapters.name} collate "C"`;
  return db
    .select(adapterColumns)
    .from(adapters)
    .where(and(among, sql`${name} like ${`${literally(text.toLowerCase())}%`}`))
    .orderBy(name, adapters.id)
    .limit(limit);
}

/** @param without a facet whose own filter is left out */
function matching(filter: CatalogFilter, without?: Facet): SQL | undefined {
  const { privateOf = [], owner, bases, facets = {}, tagsOrLanguages = [], minRank, maxRank } = filter;
  const labels = [
    ...(owner === undefined ? [] : [labelOf('owner', owner)]),
    ...FACETS.flatMap((facet) => {
      const value = facets[facet];
      return value === undefined || facet === without ? [] : [labelOf(facet, value)];
    }),
  ];
  return and(
    sql`${adapters.latest} > 0`,
    visible(privateOf),
    labels.length > 0 ? arrayContains(adapters.labels, labels) : undefined,
    ...tagsOrLanguages.map((value) =>
      or(
        arrayContains(adapters.labels, [labelOf('tag', value)]),
        arrayContains(adapters.labels, [labelOf('language', value)]),
      ),
    ),
    bases && ofAny(bases),
    minRank === undefined ? undefined : gte(adapters.rank, minRank),
    maxRank === undefined ? undefined : lte(adapters.rank, maxRank),
  );
}

/** By their labels, as other filters: the column has no index. */
function ofAny(bases: readonly string[]): SQL {
  if (bases.length === 0) return sql`false`;
  return arrayOverlaps(
    adapters.labels,
    bases.map((id) => labelOf('base', id)),
  );
}

/** Beyond so many matches, counts are of this many of them. */
const COUNTED = 1_000;
/** Values that are told of a facet. */
const VALUES = 20;

export interface FacetCounts {
  /** Matches; where it is not exact, there are more. */
  readonly total: number;
  readonly exact: boolean;
  readonly facets: Readonly<Record<Facet, readonly { value: string; count: number }[]>>;
}

/** Of each facet its most frequent values, among what the other filters leave. */
export async function countFacets(db: Database, filter: CatalogFilter): Promise<FacetCounts> {
  const filtered = FACETS.filter((facet) => filter.facets?.[facet] !== undefined);
  const [whole, ...apart] = await Promise.all([
    countMatches(db, filter),
    ...filtered.map((facet) => countMatches(db, filter, facet)),
  ]);
  const facets = Object.fromEntries(
    FACETS.map((facet) => {
      const counted = apart[filtered.indexOf(facet)] ?? whole!;
      return [
        facet,
        counted.labels
          .filter(({ kind }) => kind === facet)
          .slice(0, VALUES)
          .map(({ value, count }) => ({ value, count })),
      ];
    }),
  ) as unknown as FacetCounts['facets'];
  return { total: whole!.total, exact: whole!.exact, facets };
}

interface Counted {
  readonly total: number;
  readonly exact: boolean;
  readonly labels: readonly { kind: string; value: string; count: number }[];
}

/** A label that every match has. */
const ALL = 'all:';

async function countMatches(db: Database, filter: CatalogFilter, without?: Facet): Promise<Counted> {
  const where = and(matching(filter, without), wordsOf(filter.query)?.mentioned);
  const matches = db.$with('matches').as(
    db
      .select({ labels: adapters.labels })
      .from(adapters)
      .where(where)
      .limit(COUNTED + 1),
  );
  const values = db
    .select({ label: sql<string>`unnest(array_append(${matches.labels}, ${ALL}))`.as('label') })
    .from(matches)
    .as('counted');
  const counted = await db
    .with(matches)
    .select({ label: values.label, count: sql<number>`count(*)::int` })
    .from(values)
    .where(sql`${values.label} not like 'owner:%'`)
    .groupBy(values.label);
  const exact = totalOf(counted) <= COUNTED;
  if (!exact && isEverything(filter, without)) {
    const kept = await db.select().from(labelCounts);
    if (kept.length > 0) return { total: totalOf(kept), exact: true, labels: sorted(kept) };
  }
  return { total: Math.min(totalOf(counted), COUNTED), exact, labels: sorted(counted) };
}

/** Public adapters of a base; many of them as they were counted last. */
export async function countOnBase(db: Database, baseId: string): Promise<number> {
  const label = labelOf('base', baseId);
  const some = db
    .select({ id: adapters.id })
    .from(adapters)
    .where(matching({ facets: { base: baseId } }))
    .limit(COUNTED + 1)
    .as('some');
  const [found] = await db.select({ count: count() }).from(some);
  if (found!.count <= COUNTED) return found!.count;
  const [kept] = await db.select().from(labelCounts).where(eq(labelCounts.label, label));
  return Math.max(kept?.count ?? 0, found!.count);
}

type LabelCount = { readonly label: string; readonly count: number };

const totalOf = (counted: readonly LabelCount[]) => counted.find(({ label }) => label === ALL)?.count ?? 0;

function sorted(counted: readonly LabelCount[]): Counted['labels'] {
  return counted
    .map(({ label, count }) => {
      const colon = label.indexOf(':');
      return { kind: label.slice(0, colon), value: label.slice(colon + 1), count };
    })
    .sort((a, b) => b.count - a.count || (a.value < b.value ? -1 : 1));
}

function isEverything(filter: CatalogFilter, without?: Facet): boolean {
  const { query, owner, bases, facets = {}, tagsOrLanguages = [], minRank, maxRank } = filter;
  const others = FACETS.filter((facet) => facet !== without && facets[facet] !== undefined);
  const single = [query?.trim() || undefined, owner, bases, minRank, maxRank, ...others, ...tagsOrLanguages];
  return single.every((one) => one === undefined);
}

/** Counts all labels anew: what a search without filters shows of a large catalog. @returns how many there are */
export function recountLabels(db: Database): Promise<number> {
  const values = db
    .select({ label: sql<string>`unnest(array_append(${adapters.labels}, ${ALL}))`.as('label') })
    .from(adapters)
    .where(and(sql`${adapters.latest} > 0`, visible([])))
    .as('counted');
  return db.transaction(async (tx) => {
    await tx.delete(labelCounts);
    const counted = await tx
      .insert(labelCounts)
      .select(
        tx
          .select({ label: values.label, count: sql<number>`count(*)`.as('count') })
          .from(values)
          .where(sql`${values.label} not like 'owner:%'`)
          .groupBy(values.label),
      )
      .returning({ label: labelCounts.label });
    return counted.length;
  });
}

/** Of so many of the most downloaded ones of the same base and task, those with the most tags in common. */
const CONSIDERED = 200;

export async function similarTo(
  db: Database,
  { id, baseId, task, tags }: Adapter,
  privateOf: PrivateOf,
  limit: number,
): Promise<Adapter[]> {
  const facets = { base: baseId, ...(task === null ? {} : { task }) };
  const { rows } = await searchCatalog(db, { privateOf, facets }, { sort: 'downloads', limit: CONSIDERED });
  const common = (other: Adapter) => other.tags.filter((tag) => tags.includes(tag)).length;
  return rows
    .filter((other) => other.id !== id)
    .sort((a, b) => common(b) - common(a) || b.downloads - a.downloads)
    .slice(0, limit);
}
