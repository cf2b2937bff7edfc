/** JSON Schema in words: what a reference says of a parameter, a field, or an answer. */

/** As far as our own document has it (JSON Schema 2020-12, which OpenAPI 3.1 takes over). */
export interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly format?: string;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
  readonly items?: Schema;
  readonly prefixItems?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: boolean | Schema;
  readonly required?: readonly string[];
  readonly description?: string;
  readonly default?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
}

/** A piece of a type's description: words, or the name of a shape that is described elsewhere. */
export type Piece = string | { readonly shape: string };

export interface Field {
  /** `messages[].role` for what is inside. */
  readonly name: string;
  readonly required: boolean;
  /** Of a parameter. */
  readonly place?: string;
  readonly type: readonly Piece[];
  readonly about: string;
}

const shapeOf = ($ref: string): string => $ref.split('/').at(-1)!;

/** The shapes whose fields it has, too. */
export const extendedBy = ({ allOf = [] }: Schema): readonly string[] =>
  allOf.flatMap(({ $ref }) => ($ref ? [shapeOf($ref)] : []));

/** The fields of an object, those of what is inside it after their own; of one that extends another, those that it adds. */
export function fieldsOf(schema: Schema, prefix = ''): readonly Field[] {
  const all = [schema, ...(schema.allOf ?? [])].flatMap(({ properties = {}, required = [] }) =>
    Object.entries(properties).flatMap(([key, value]) => {
      const name = prefix + key;
      const field = { name, required: required.includes(key), type: typeOf(value), about: aboutOf(value) };
      return [field, ...insideOf(value, name)];
    }),
  );
  return [...Map.groupBy(all, ({ name }) => name).values()].map(merged);
}

/** Of several shapes that an object may have: the field that goes by one name in all of them. */
function merged(fields: readonly Field[]): Field {
  return { ...fields[0]!, type: joined(fields.map(({ type }) => type)) };
}

function insideOf(schema: Schema, name: string): readonly Field[] {
  if (schema.items) return insideOf(schema.items, `${name}[]`);
  const choices = schema.anyOf ?? schema.oneOf ?? [];
  return [...fieldsOf(schema, `${name}.`), ...choices.flatMap((choice) => insideOf(choice, name))];
}

export function typeOf(schema: Schema): readonly Piece[] {
  if (schema.$ref) return [{ shape: shapeOf(schema.$ref) }];
  if (schema.enum) return [schema.enum.map((value) => JSON.stringify(value)).join(' | ')];
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) return joined(choices.map(typeOf));
  const [extended] = schema.allOf ?? [];
  if (extended?.$ref) return typeOf(extended);
  if (schema.prefixItems) return ['array of one: ', ...joined(schema.prefixItems.map(typeOf))];
  if (schema.items) return ['array of ', ...typeOf(schema.items)];
  const types = [schema.type ?? 'anything'].flat();
  return [types.map((type) => (type === 'string' && schema.format ? schema.format : type)).join(' or ')];
}

/** Said once where several are said alike. */
function joined(choices: readonly (readonly Piece[])[]): readonly Piece[] {
  const different = new Map(choices.map((choice) => [JSON.stringify(choice), choice]));
  return [...different.values()].flatMap((choice, i) => (i === 0 ? choice : [' or ', ...choice]));
}

/** Its limits, what it is for, and what it is where nothing is said. */
function aboutOf(schema: Schema): string {
  const { description, default: otherwise } = schema;
  const said = otherwise === undefined || otherwise === null ? '' : `else ${JSON.stringify(otherwise)}`;
  return [limitsOf(schema), description, said].filter(Boolean).join('; ');
}

function limitsOf(schema: Schema): string {
  const { minimum, maximum, exclusiveMinimum, minLength, maxLength, minItems, maxItems } = schema;
  const above = exclusiveMinimum === undefined ? '' : `above ${exclusiveMinimum}`;
  const limits = [
    above,
    range(minimum, maximum),
    range(minLength, maxLength, 'character'),
    range(minItems, maxItems, 'item'),
  ];
  return limits.filter(Boolean).join(', ');
}

/** The limits of every integer say nothing of this one. */
function range(least = Number.MIN_SAFE_INTEGER, most = Number.MAX_SAFE_INTEGER, unit?: string): string {
  const counted = (count: number) => (unit ? `${count} ${unit}${count === 1 ? '' : 's'}` : `${count}`);
  const isOpen = most === Number.MAX_SAFE_INTEGER;
  if (least === Number.MIN_SAFE_INTEGER) return isOpen ? '' : `at most ${counted(most)}`;
  if (isOpen) return least === 0 && unit ? '' : `at least ${counted(least)}`;
  return `${least} to ${counted(most)}`;
}
