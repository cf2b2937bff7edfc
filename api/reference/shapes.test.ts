import { describe, expect, it } from 'vitest';
import { fieldsOf, type Schema, typeOf } from './shapes.ts';

const words = (schema: Schema) =>
  typeOf(schema)
    .map((piece) => (typeof piece === 'string' ? piece : `<${piece.shape}>`))
    .join('');

describe('a type in words', () => {
  it.each<[Schema, string]>([
    [{ type: 'string', format: 'uuid' }, 'uuid'],
    [{ type: ['number', 'null'] }, 'number or null'],
    [{ enum: ['asc', 'desc'] }, '"asc" | "desc"'],
    [{ $ref: '#/components/schemas/Adapter' }, '<Adapter>'],
    [{ type: 'array', items: { $ref: '#/components/schemas/Adapter' } }, 'array of <Adapter>'],
    [{ type: 'array', prefixItems: [{ type: 'string' }] }, 'array of one: string'],
    [{ anyOf: [{ type: 'string' }, { type: 'string', minLength: 1 }, { type: 'null' }] }, 'string or null'],
    [{}, 'anything'],
  ])('%j is %s', (schema, expected) => expect(words(schema)).toBe(expected));
});

describe('fields', () => {
  const about = (schema: Schema) => fieldsOf({ properties: { it: schema } })[0]!.about;

  it('are those of what is inside, too, and of what is extended', () => {
    const role = { properties: { role: { type: 'string' } }, required: ['role'] };
    const schema = {
      allOf: [{ properties: { id: { type: 'string' } }, required: ['id'] }],
      properties: { messages: { type: 'array', items: role }, stop: { anyOf: [role, { type: 'null' }] } },
    };
    expect(fieldsOf(schema).map(({ name, required }) => (required ? `${name}*` : name))).toEqual([
      'messages',
      'messages[].role*',
      'stop',
      'stop.role*',
      'id*',
    ]);
  });

  it.each<[Schema, string]>([
    [{ type: 'number', minimum: 0, maximum: 2 }, '0 to 2'],
    [{ type: 'integer', minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER }, ''],
    [{ type: 'string', minLength: 1 }, 'at least 1 character'],
    [{ type: 'string', maxLength: 64, description: 'Of a person' }, 'at most 64 characters; Of a person'],
    [{ type: 'array', minItems: 1, maxItems: 4 }, '1 to 4 items'],
    [{ type: 'number', exclusiveMinimum: 0, maximum: 8 }, 'above 0, at most 8'],
    [{ type: 'integer', default: 20, maximum: 100 }, 'at most 100; else 20'],
  ])('%j: "%s"', (schema, expected) => expect(about(schema)).toBe(expected));
});
