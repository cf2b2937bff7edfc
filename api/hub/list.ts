/** `GET /api/models`: the catalog, as the Hub's clients ask for it. */
import { z } from 'zod';
import { type CatalogFilter, type Sort, searchCatalog } from '../../db/catalog.ts';
import type { Database } from '../../db/open.ts';
import { privateOf, type Viewer } from '../access.ts';
import { decodeCursor, encodeCursor } from '../cursor.ts';
import { ApiError } from '../errors.ts';
import { parseInput } from '../request.ts';
import { adapterFacts } from './models.ts';

const text = z.string().min(1).max(200);

/** `huggingface_hub` asks for as many as its user wants, and goes on through pages where it gets fewer. */
const MAX_PAGE = 1000;

/** Clients send a list as a repeated parameter, or with commas; and `config`, `full`, `expand`..., which change nothing here. */
const Query = z.object({
  search: text.optional(),
  author: text.optional(),
  filter: z.array(text).max(20),
  sort: z.string().optional(),
  limit: z.coerce
    .number()
    .int()
    .min(1)
    .default(100)
    .transform((asked) => Math.min(asked, MAX_PAGE)),
  cursor: z.string().max(500).optional(),
});

/** Labels that every adapter has here. */
const OF_ALL = new Set(['peft', 'lora', 'safetensors', 'text-generation']);

/** @returns the page, and the URL of the next one */
export async function listModels(db: Database, viewer: Viewer, url: URL) {
  const values = Object.fromEntries(url.searchParams);
  const labels = ['filter', 'pipeline_tag', 'library'].flatMap((name) => url.searchParams.getAll(name));
  const filter = labels.flatMap((value) => value.split(',')).filter(Boolean);
  const query = parseInput(Query, { ...values, filter });
  const sort = sortOf(query);
  const after = query.cursor === undefined ? undefined : decodeCursor(query.cursor, sort);
  const { rows, next } = await searchCatalog(
    db,
    { ...filterOf(query), privateOf: privateOf(viewer) },
    { sort, limit: query.limit, after },
  );
  const following = new URL(url);
  if (next) following.searchParams.set('cursor', encodeCursor(next));
  return { models: rows.map(adapterFacts), next: next ? following.href : undefined };
}

const SORT_NAMES: Readonly<Record<string, Sort>> = {
  createdAt: 'newest',
  created_at: 'newest',
  lastModified: 'newest',
  last_modified: 'newest',
  downloads: 'downloads',
  trendingScore: 'downloads',
  trending_score: 'downloads',
  likes: 'likes',
};

function sortOf({ sort, search }: z.infer<typeof Query>): Sort {
  if (sort === undefined) return search ? 'relevance' : 'newest';
  const known = Object.hasOwn(SORT_NAMES, sort) ? SORT_NAMES[sort] : undefined;
  if (known) return known;
  throw new ApiError('invalid_request', `sort: must be one of ${Object.keys(SORT_NAMES).join(', ')}.`, {
    field: 'sort',
  });
}

function filterOf({ search, author, filter }: z.infer<typeof Query>): CatalogFilter {
  const valueAfter = (prefix: RegExp) => filter.find((label) => prefix.test(label))?.replace(prefix, '');
  const known = /^(base_model:(adapter:)?|license:)/;
  return {
    query: search,
    owner: author,
    facets: { base: valueAfter(/^base_model:(adapter:)?/), license: valueAfter(/^license:/) },
    tagsOrLanguages: filter.filter((label) => !known.test(label) && !OF_ALL.has(label)),
  };
}
