/** Labels: what an adapter is found and counted by. One array of them, in one index, answers any combination of filters. */

export const FACETS = ['base', 'task', 'language', 'license', 'rank', 'size', 'evaluated', 'tag'] as const;
export type Facet = (typeof FACETS)[number];

/** Upper bounds: a rank of 12 is in `16`. */
const RANKS = [4, 8, 16, 32, 64, 128];
const MB = 1e6;
const SIZES: readonly (readonly [string, number])[] = [
  ['1MB', MB],
  ['10MB', 10 * MB],
  ['100MB', 100 * MB],
  ['1GB', 1000 * MB],
];
const MORE = 'more';
export const RANK_BUCKETS = [...RANKS.map(String), MORE];
export const SIZE_BUCKETS = [...SIZES.map(([name]) => name), MORE];

export interface LabelledFacts {
  readonly owner: string;
  readonly baseId: string;
  readonly task: string | null;
  readonly license: string | null;
  readonly languages: readonly string[];
  readonly tags: readonly string[];
  readonly rank: number;
  readonly size: number;
}

/** @param evaluated on whose held-out rows it was compared with its base */
export function labelsOf(facts: LabelledFacts, evaluated: 'publisher' | 'base' | undefined): string[] {
  const { owner, baseId, task, license, languages, tags, rank, size } = facts;
  const labels = [
    labelOf('owner', owner),
    labelOf('base', baseId),
    ...(task === null ? [] : [labelOf('task', task)]),
    ...(license === null ? [] : [labelOf('license', license)]),
    ...languages.map((language) => labelOf('language', language)),
    ...tags.map((tag) => labelOf('tag', tag)),
    labelOf('rank', String(RANKS.find((bound) => rank <= bound) ?? MORE)),
    labelOf('size', SIZES.find(([, bound]) => size <= bound)?.[0] ?? MORE),
    ...(evaluated ? [labelOf('evaluated', evaluated)] : []),
  ];
  return [...new Set(labels)];
}

export const labelOf = (kind: Facet | 'owner', value: string): string => `${kind}:${value}`;
