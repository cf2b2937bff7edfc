/**
 * What an answer can be held to: a part of JSON Schema that is carried out to the letter. What lies outside of it is refused by
 * its path, with what would be right: a keyword that was passed over would let an answer through that is not what was asked for.
 */
import { z } from 'zod';

/** Of the whole schema, as JSON. */
const MAX_CHARACTERS = 65_536;
const MAX_DEPTH = 32;
/** Schemas within it, of whatever kind. */
const MAX_NODES = 2_000;
/** Of an enum. */
const MAX_VALUES = 1_000;
/** To count further takes longer than a model's step. */
const MAX_COUNT = 256;
/** Numbers between limits have this many digits behind the point at most. */
export const FRACTION_DIGITS = 6;
const MAX_LIMIT = 1e9;

const FORMATS = ['date', 'time', 'date-time', 'uuid', 'email', 'ipv4'] as const;
export type Format = (typeof FORMATS)[number];

/** A schema that was read. Limits are inclusive; absent: none. */
export type SchemaNode =
  | { readonly kind: 'any' | 'null' | 'boolean' }
  | { readonly kind: 'anyOf'; readonly options: readonly SchemaNode[] }
  | { readonly kind: 'ref'; readonly name: string }
  | { readonly kind: 'values'; readonly values: readonly unknown[] }
  | { readonly kind: 'string'; readonly least: number; readonly most?: number | undefined }
  | { readonly kind: 'format'; readonly format: Format }
  | { readonly kind: 'integer'; readonly least?: bigint | undefined; readonly most?: bigint | undefined }
  /** In units of the last of FRACTION_DIGITS. */
  | { readonly kind: 'number'; readonly least?: bigint | undefined; readonly most?: bigint | undefined }
  | {
      readonly kind: 'array';
      readonly items: SchemaNode;
      readonly least: number;
      readonly most?: number | undefined;
    }
  | { readonly kind: 'object'; readonly members: readonly Member[] }
  /** An object of any names. */
  | { readonly kind: 'map'; readonly values: SchemaNode };

export interface Member {
  readonly name: string;
  readonly node: SchemaNode;
  readonly isRequired: boolean;
}

/** Schemas by what a `$ref` calls them; `#` is the whole. */
export type SchemaTree = ReadonlyMap<string, SchemaNode>;

export const ROOT = '#';

type Path = readonly (string | number)[];
type Json = Readonly<Record<string, unknown>>;

export class SchemaError extends Error {
  override readonly name = 'SchemaError';
  readonly path: Path;

  constructor(path: Path, message: string) {
    super(message);
    this.path = path;
  }
}

/** A JSON Schema of the part that is carried out. */
export const AnswerSchema = z.record(z.string(), z.unknown()).superRefine((schema, context) => {
  try {
    readSchema(schema);
  } catch (error) {
    if (!(error instanceof SchemaError)) throw error;
    context.addIssue({ code: 'custom', path: [...error.path], message: error.message });
  }
});
export type AnswerSchema = z.infer<typeof AnswerSchema>;

/** @throws SchemaError */
export function readSchema(schema: Json): SchemaTree {
  const size = sizeOf(schema);
  if (size > MAX_CHARACTERS)
    throw new SchemaError([], `has ${size} characters; at most ${MAX_CHARACTERS} are read`);
  return new Reader().read(schema);
}

function sizeOf(schema: Json): number {
  try {
    return JSON.stringify(schema).length;
  } catch {
    throw new SchemaError([], 'is too deep'); // for the stack
  }
}

const ANNOTATIONS = new Set([
  'title',
  'description',
  'default',
  'examples',
  '$comment',
  'deprecated',
  'readOnly',
  'writeOnly',
]);
const OF_ROOT = ['$schema', '$id', '$defs', 'definitions'];

const KEYWORDS = {
  string: ['minLength', 'maxLength', 'format'],
  integer: ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum'],
  number: ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum'],
  array: ['items', 'minItems', 'maxItems'],
  object: ['properties', 'required', 'additionalProperties'],
  boolean: [],
  null: [],
} as const;
type TypeName = keyof typeof KEYWORDS;
const TYPES = Object.keys(KEYWORDS) as TypeName[];

const INSTEAD: Readonly<Record<string, string>> = {
  oneOf: 'use anyOf, with alternatives that exclude each other',
  allOf: 'write what it amounts to as one schema',
  pattern: 'use format, enum or minLength and maxLength',
};

class Reader {
  private readonly tree = new Map<string, SchemaNode>();
  private readonly refs: { readonly name: string; readonly path: Path }[] = [];
  private nodes = 0;

  read(schema: Json): SchemaTree {
    const { $schema, $id, ...own }: Record<string, unknown> = schema;
    for (const where of ['$defs', 'definitions']) {
      const definitions = own[where];
      delete own[where];
      if (definitions === undefined) continue;
      for (const [name, definition] of Object.entries(object(definitions, [where])))
        this.tree.set(`#/${where}/${name}`, this.node(definition, [where, name]));
    }
    this.tree.set(ROOT, this.node(own, []));
    for (const { name, path } of this.refs)
      if (!this.tree.has(name)) throw new SchemaError(path, `there is no ${name} in the schema`);
    this.checkEnds();
    return this.tree;
  }

  private node(value: unknown, path: Path): SchemaNode {
    if (++this.nodes > MAX_NODES) throw new SchemaError(path, `is one of more than ${MAX_NODES} schemas`);
    if (path.length > 2 * MAX_DEPTH) throw new SchemaError(path, 'is too deep within others');
    if (value === true) return { kind: 'any' };
    const schema = Object.fromEntries(
      Object.entries(object(value, path)).filter(([keyword]) => !ANNOTATIONS.has(keyword)),
    );
    const keywords = Object.keys(schema);
    if (keywords.length === 0) return { kind: 'any' };
    if ('$ref' in schema) return this.ref(schema, path);
    if ('anyOf' in schema) return this.anyOf(schema, path);
    if (!('type' in schema) && !('enum' in schema) && !('const' in schema)) {
      const unknown = keywords.find((keyword) => !TYPES.some((type) => isKeyword(type, keyword)));
      throw unknown === undefined
        ? new SchemaError([...path, 'type'], `is missing; one of ${TYPES.join(', ')}`)
        : notCarriedOut(path, unknown, 'type, enum, const, anyOf and $ref');
    }
    const types = 'type' in schema ? typesOf(schema['type'], [...path, 'type']) : undefined;
    if ('enum' in schema || 'const' in schema) return values(schema, types, path);
    return this.typed(schema, types!, path);
  }

  private ref({ $ref, ...others }: Json, path: Path): SchemaNode {
    only(others, [], path, 'nothing beside $ref');
    const name =
      typeof $ref === 'string' && /^#(\/(\$defs|definitions)\/[^/]+)?$/.test($ref)
        ? $ref.replaceAll('~1', '/').replaceAll('~0', '~')
        : undefined;
    if (name === undefined)
      throw new SchemaError([...path, '$ref'], 'must be #, #/$defs/NAME or #/definitions/NAME');
    this.refs.push({ name, path: [...path, '$ref'] });
    return { kind: 'ref', name };
  }

  private anyOf({ anyOf, ...others }: Json, path: Path): SchemaNode {
    only(others, [], path, 'nothing beside anyOf');
    const at = [...path, 'anyOf'];
    if (!Array.isArray(anyOf) || anyOf.length === 0)
      throw new SchemaError(at, 'must be a list of one schema or more');
    return { kind: 'anyOf', options: anyOf.map((option, i) => this.node(option, [...at, i])) };
  }

  private typed({ type, ...keywords }: Json, types: readonly TypeName[], path: Path): SchemaNode {
    const known = types.flatMap((one): readonly string[] => KEYWORDS[one]);
    only(keywords, known, path, `${known.join(', ') || 'nothing else'} beside type ${types.join(' or ')}`);
    const options = types.map((one) => this.ofType(one, keywords, path));
    return options.length === 1 ? options[0]! : { kind: 'anyOf', options };
  }

  private ofType(type: TypeName, keywords: Json, path: Path): SchemaNode {
    if (type === 'string') return text(keywords, path);
    if (type === 'integer') return { kind: 'integer', ...integerLimits(keywords, path) };
    if (type === 'number') return { kind: 'number', ...numberLimits(keywords, path) };
    if (type === 'array') return this.array(keywords, path);
    if (type === 'object') return this.object(keywords, path);
    return { kind: type };
  }

  private array(keywords: Json, path: Path): SchemaNode {
    const items = this.node(keywords['items'] ?? true, [...path, 'items']);
    return { kind: 'array', items, ...counts(keywords, 'minItems', 'maxItems', path) };
  }

  private object(keywords: Json, path: Path): SchemaNode {
    const { properties = {}, required = [], additionalProperties } = keywords;
    const names = z.array(z.string()).safeParse(required);
    if (!names.success) throw new SchemaError([...path, 'required'], 'must be a list of names');
    const declared = Object.entries(object(properties, [...path, 'properties']));
    const missing = names.data.find((name) => !declared.some(([other]) => other === name));
    if (missing !== undefined)
      throw new SchemaError([...path, 'required'], `names ${missing}, which is not among the properties`);
    if (declared.length === 0 && additionalProperties !== false && !('properties' in keywords))
      return {
        kind: 'map',
        values: this.node(additionalProperties ?? true, [...path, 'additionalProperties']),
      };
    if (additionalProperties !== undefined && additionalProperties !== false)
      throw new SchemaError(
        [...path, 'additionalProperties'],
        'must be false beside properties: no other ones are written',
      );
    const members = declared.map(([name, schema]) => ({
      name,
      node: this.node(schema, [...path, 'properties', name]),
      isRequired: names.data.includes(name),
    }));
    return { kind: 'object', members };
  }

  /** What refers to itself alone says nothing, and what holds itself in any case has no end. */
  private checkEnds(): void {
    const pathOf = (name: string) => name.split('/').slice(1);
    for (const [name, node] of this.tree)
      if (this.meansAtOnce(node, name, new Set()))
        throw new SchemaError(pathOf(name), 'refers to itself without anything between');
    const ending = new Set<string>();
    for (let before = -1; before < ending.size; ) {
      before = ending.size;
      for (const [name, node] of this.tree) if (ends(node, ending)) ending.add(name);
    }
    for (const name of this.tree.keys())
      if (!ending.has(name))
        throw new SchemaError(
          pathOf(name),
          'holds itself without an end: let it be left out, or null, somewhere',
        );
  }

  private meansAtOnce(node: SchemaNode, name: string, seen: Set<string>): boolean {
    if (node.kind === 'anyOf') return node.options.some((one) => this.meansAtOnce(one, name, seen));
    if (node.kind !== 'ref') return false;
    if (node.name === name) return true;
    if (seen.has(node.name)) return false;
    seen.add(node.name);
    return this.meansAtOnce(this.tree.get(node.name)!, name, seen);
  }
}

/** Whether there is something of it that has an end, where what `ending` names has one. */
function ends(node: SchemaNode, ending: ReadonlySet<string>): boolean {
  if (node.kind === 'ref') return ending.has(node.name);
  if (node.kind === 'anyOf') return node.options.some((one) => ends(one, ending));
  if (node.kind === 'array') return node.least === 0 || ends(node.items, ending);
  if (node.kind === 'object')
    return node.members.every((member) => !member.isRequired || ends(member.node, ending));
  return true;
}

function object(value: unknown, path: Path): Json {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Json;
  throw new SchemaError(path, 'must be an object');
}

const isKeyword = (type: TypeName, keyword: string) =>
  (KEYWORDS[type] as readonly string[]).includes(keyword);

function notCarriedOut(path: Path, keyword: string, carriedOut: string): SchemaError {
  const hint = Object.hasOwn(INSTEAD, keyword) ? INSTEAD[keyword] : `there may be ${carriedOut}`;
  return new SchemaError([...path, keyword], `is not supported here: ${hint}`);
}

function only(schema: Json, known: readonly string[], path: Path, carriedOut: string): void {
  const unknown = Object.keys(schema).find((keyword) => !known.includes(keyword));
  if (unknown === undefined) return;
  if (OF_ROOT.includes(unknown))
    throw new SchemaError([...path, unknown], 'may stand in the outermost schema alone');
  throw notCarriedOut(path, unknown, carriedOut);
}

function typesOf(type: unknown, path: Path): readonly TypeName[] {
  const types = z.union([z.enum(TYPES), z.array(z.enum(TYPES)).min(1)]).safeParse(type);
  if (!types.success) throw new SchemaError(path, `must be one of ${TYPES.join(', ')}, or a list of them`);
  return [...new Set([types.data].flat())];
}

function values(schema: Json, types: readonly TypeName[] | undefined, path: Path): SchemaNode {
  const keyword = 'enum' in schema ? 'enum' : 'const';
  const { [keyword]: given, type, ...others } = schema;
  only(others, [], path, `type alone beside ${keyword}`);
  const all = keyword === 'enum' ? given : [given];
  if (!Array.isArray(all) || all.length === 0)
    throw new SchemaError([...path, 'enum'], 'must be a list of one value or more');
  if (all.length > MAX_VALUES)
    throw new SchemaError([...path, 'enum'], `has ${all.length} values; at most ${MAX_VALUES} are allowed`);
  for (const value of all)
    if (types && !types.some((one) => isOfType(value, one)))
      throw new SchemaError(
        [...path, keyword],
        `has ${JSON.stringify(value)}, which is no ${types.join(' or ')}`,
      );
  return { kind: 'values', values: all };
}

function isOfType(value: unknown, type: TypeName): boolean {
  if (type === 'null') return value === null;
  if (type === 'array') return Array.isArray(value);
  if (type === 'integer') return Number.isInteger(value);
  if (type === 'object') return typeof value === 'object' && value !== null && !Array.isArray(value);
  return typeof value === type;
}

function text(keywords: Json, path: Path): SchemaNode {
  const { format, minLength, maxLength } = keywords;
  if (format === undefined) return { kind: 'string', ...counts(keywords, 'minLength', 'maxLength', path) };
  const known = z.enum(FORMATS).safeParse(format);
  if (!known.success) throw new SchemaError([...path, 'format'], `must be one of ${FORMATS.join(', ')}`);
  if (minLength !== undefined || maxLength !== undefined)
    throw new SchemaError([...path, 'format'], 'cannot stand beside minLength and maxLength');
  return { kind: 'format', format: known.data };
}

function counts(keywords: Json, least: string, most: string, path: Path) {
  const count = (keyword: string) => {
    const value = keywords[keyword];
    const parsed = z.int().min(0).max(MAX_COUNT).optional().safeParse(value);
    if (!parsed.success)
      throw new SchemaError([...path, keyword], `must be a whole number from 0 to ${MAX_COUNT}`);
    return parsed.data;
  };
  const limits = { least: count(least) ?? 0, most: count(most) };
  if (limits.most !== undefined && limits.most < limits.least)
    throw new SchemaError([...path, most], `is less than ${least}`);
  return limits;
}

function integerLimits(keywords: Json, path: Path) {
  const isSafe = (limit: number) => Math.abs(limit) <= Number.MAX_SAFE_INTEGER;
  return limits(keywords, path, isSafe, 'must be a number that is exact as an integer', {
    up: (limit) => BigInt(Math.ceil(limit)),
    down: (limit) => BigInt(Math.floor(limit)),
  });
}

function numberLimits(keywords: Json, path: Path) {
  const isShort = (limit: number) =>
    Math.abs(limit) <= MAX_LIMIT && Number(limit.toFixed(FRACTION_DIGITS)) === limit;
  const units = (limit: number) => BigInt(Math.round(limit * 10 ** FRACTION_DIGITS));
  const wanted = `must lie between -1e9 and 1e9 and have ${FRACTION_DIGITS} digits behind the point at most`;
  return limits(keywords, path, isShort, wanted, { up: units, down: units });
}

/** The least and the greatest value, in whole units. */
function limits(
  keywords: Json,
  path: Path,
  isGood: (limit: number) => boolean,
  wanted: string,
  { up, down }: Record<'up' | 'down', (limit: number) => bigint>,
) {
  const limit = (keyword: string): number | undefined => {
    const value = keywords[keyword];
    if (value === undefined || (typeof value === 'number' && isGood(value))) return value;
    throw new SchemaError([...path, keyword], wanted);
  };
  const [minimum, maximum] = [limit('minimum'), limit('maximum')];
  const [above, below] = [limit('exclusiveMinimum'), limit('exclusiveMaximum')];
  const lower = [minimum === undefined ? [] : up(minimum), above === undefined ? [] : down(above) + 1n];
  const upper = [maximum === undefined ? [] : down(maximum), below === undefined ? [] : up(below) - 1n];
  const least = lower
    .flat()
    .reduce<bigint | undefined>((a, b) => (a === undefined || b > a ? b : a), undefined);
  const most = upper
    .flat()
    .reduce<bigint | undefined>((a, b) => (a === undefined || b < a ? b : a), undefined);
  if (least !== undefined && most !== undefined && least > most)
    throw new SchemaError(path, 'has limits between which there is nothing');
  return { least, most };
}
