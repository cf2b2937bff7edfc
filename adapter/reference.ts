/**
 * How people name what they want served: `owner/name` (the latest version), `owner/name@3` or `@v3` (that one),
 * `owner/name@ftckpt-...` (a checkpoint of a job that trains it), and weighted mixes, `owner/a:0.7+owner/b@2:0.3`. A bare base has
 * the same form and is told apart by the catalog.
 */
import { z } from 'zod';
import { AdapterError } from './error.ts';

/** A request composes at most this many adapters: each costs its rank in every step. */
export const MAX_TERMS = 8;
export const MAX_WEIGHT = 16;
const MAX_REFERENCE_LENGTH = 1024;

/** One half of `owner/name`: what is safe in a URL, a file name and a namespace. */
export const ownerName = z
  .string()
  .regex(
    /^[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?$/,
    'must be 1 to 64 lower-case letters, digits, `.`, `_` or `-`, with a letter or digit at both ends',
  )
  .refine((name) => !name.includes('..'), 'must not hold `..`');

export interface Term {
  readonly owner: string;
  readonly name: string;
  /** Absent: the latest. */
  readonly version?: number;
  /** Instead of a version. */
  readonly checkpoint?: string;
  readonly weight: number;
}

export interface Reference {
  readonly terms: readonly Term[];
}

/** @throws AdapterError reference_invalid */
export function parseReference(text: string): Reference {
  if (text.length > MAX_REFERENCE_LENGTH)
    throw invalid(`${text.slice(0, 40)}…`, `is longer than ${MAX_REFERENCE_LENGTH} characters`);
  const parts = text.split('+');
  if (parts.length > MAX_TERMS)
    throw invalid(text, `mixes ${parts.length} adapters; the limit is ${MAX_TERMS}`);
  const terms = parts.map((part) => parseTerm(part, text));
  const names = terms.map((term) => `${term.owner}/${term.name}@${term.version ?? term.checkpoint ?? ''}`);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice) throw invalid(text, `names ${twice.replace(/@$/, '')} twice; add the weights up`);
  return { terms };
}

const WEIGHT_DECIMALS = 12;
const TERM =
  /^([^/@:+]+)\/([^/@:+]+)(?:@(?:v?([0-9]{1,9})|(ftckpt-[0-9a-f-]{36})))?(?::(-?[0-9]{1,9}(?:\.[0-9]{1,12})?))?$/;

function parseTerm(part: string, whole: string): Term {
  const match = TERM.exec(part);
  if (!match)
    throw invalid(
      whole,
      `has the part ${JSON.stringify(part)}, which is not owner/name, owner/name@version or owner/name:weight`,
    );
  const [, owner, name, version, checkpoint, weight] = match;
  for (const half of [owner, name]) {
    const checked = ownerName.safeParse(half);
    if (!checked.success)
      throw invalid(whole, `has ${JSON.stringify(half)}, which ${checked.error.issues[0]?.message}`);
  }
  if (version !== undefined && Number(version) < 1)
    throw invalid(whole, 'has version 0; versions count from 1');
  const value = weight === undefined ? 1 : Number(weight);
  if (Math.abs(value) > MAX_WEIGHT)
    throw invalid(whole, `has the weight ${weight}; it must lie between -${MAX_WEIGHT} and ${MAX_WEIGHT}`);
  return {
    owner: owner!,
    name: name!,
    ...(version === undefined ? {} : { version: Number(version) }),
    ...(checkpoint === undefined ? {} : { checkpoint }),
    weight: value === 0 ? 0 : value, // -0 would print as 0
  };
}

function invalid(text: string, why: string): AdapterError {
  return new AdapterError('reference_invalid', `The model ${JSON.stringify(text)} ${why}.`, 'model');
}

/** The shortest text that `parseReference` reads as the same reference. */
export function formatReference({ terms }: Reference): string {
  return terms
    .map(({ owner, name, version, checkpoint, weight }) => {
      const which = version ?? checkpoint;
      const at = which === undefined ? '' : `@${which}`;
      return `${owner}/${name}${at}${weight === 1 ? '' : `:${formatWeight(weight)}`}`;
    })
    .join('+');
}

/** Plain decimals (never 1e-7), as many as the grammar allows; weights of at most 16 come back exactly from 12 of them. */
function formatWeight(weight: number): string {
  return weight.toFixed(WEIGHT_DECIMALS).replace(/\.?0+$/, '');
}
