import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { expect, it } from 'vitest';
import type { AnswerSchema } from '../../functions/answer-schema.ts';
import { readTokenTable } from '../model/token-table.ts';
import { uniform } from '../random.ts';
import { type Grammar, Grammars } from './grammars.ts';

const folder = fileURLToPath(new URL('../../seed/base/patchbay-tiny', import.meta.url));
const table = readTokenTable(JSON.parse(await readFile(`${folder}/tokenizer.json`, 'utf8')));
const VOCABULARY = 49_152;
const END = 0;
const settings = { folder, vocabSize: VOCABULARY, endTokens: [END] };
const ajv = new Ajv2020({ strict: false });
formats.default(ajv);

const isAllowed = (allowed: Int32Array, id: number) => ((allowed[id >>> 5]! >>> (id & 31)) & 1) === 1;

async function next(grammar: Grammar): Promise<number[]> {
  await grammar.settled;
  if (grammar.failure) throw grammar.failure;
  const ids: number[] = [];
  for (let id = 0; id < VOCABULARY; id++) if (isAllowed(grammar.allowed!, id)) ids.push(id);
  return ids;
}

/** Any way through, which likes to close what is open: otherwise few would end. @returns tokens without the last */
async function walk(grammar: Grammar, seed: number, most = 1_000): Promise<number[]> {
  const tokens: number[] = [];
  while (tokens.length < most) {
    const ids = await next(grammar);
    expect(ids.length, new TextDecoder().decode(bytesOf(tokens))).toBeGreaterThan(0);
    const draw = (from: readonly number[]) =>
      from[Math.floor(uniform(seed, tokens.length, 1) * from.length)]!;
    const closing = ids.filter((id) => /["\]}]$/.test(new TextDecoder().decode(table.bytes(id))));
    const isTired = uniform(seed, tokens.length, 2) < 0.3 + tokens.length / 200;
    const id = isTired && ids.includes(END) ? END : draw(isTired && closing.length > 0 ? closing : ids);
    if (id === END) return tokens;
    expect(table.bytes(id).length, 'no special token comes within').toBeGreaterThan(0);
    tokens.push(id);
    grammar.took(id);
  }
  throw new Error(`no end: ${new TextDecoder().decode(bytesOf(tokens)).slice(0, 200)}`);
}

const bytesOf = (tokens: readonly number[]) => Uint8Array.from(tokens.flatMap((id) => [...table.bytes(id)]));

const grammarsOfAll = new Grammars(settings);

function byte(value: number): number {
  for (let id = 0; id < VOCABULARY; id++)
    if (table.bytes(id).length === 1 && table.bytes(id)[0] === value) return id;
  throw new Error(`no token for ${value}`);
}

const members = {
  name: { type: 'string', title: 'Name' },
  age: { type: 'integer', minimum: 0, maximum: 120 },
  mood: { enum: ['good', 'bad "x" \\ ü \u2028 😀', 3.5, null, { a: [1] }] },
  'ä"\\\n': { const: '😀\u0001' },
  tags: { type: 'array', items: { type: 'string', minLength: 1, maxLength: 9 }, minItems: 1, maxItems: 4 },
};
const node = {
  type: 'object',
  properties: { v: { type: 'integer' }, next: { anyOf: [{ $ref: '#' }, { type: 'null' }] } },
  required: ['v', 'next'],
  additionalProperties: false,
};
const SCHEMAS: Record<string, AnswerSchema> = {
  object: { type: 'object' },
  anything: {},
  'all members': { type: 'object', properties: members, required: Object.keys(members) },
  'some members': {
    type: 'object',
    properties: members,
    required: ['age', 'tags'],
    additionalProperties: false,
  },
  'members if any': { type: 'object', properties: members },
  'no members': { type: 'object', properties: {} },
  map: { type: 'object', additionalProperties: { type: ['integer', 'null', 'boolean'] } },
  list: { type: 'array', items: { type: 'boolean' }, minItems: 2, maxItems: 3 },
  'empty list': { type: 'array', maxItems: 0 },
  string: { type: 'string' },
  'long string': { type: 'string', minLength: 40, maxLength: 44 },
  recursion: node,
  definitions: { $defs: { n: { type: 'array', items: { $ref: '#/$defs/n' } } }, $ref: '#/$defs/n' },
  ...Object.fromEntries(
    ['date', 'time', 'date-time', 'uuid', 'email', 'ipv4'].map((format) => [
      format,
      { type: 'string', format },
    ]),
  ),
  ...Object.fromEntries(
    [
      {},
      { minimum: -5, maximum: 123_456 },
      { minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER },
      { exclusiveMinimum: 0 },
      { maximum: -3 },
      { minimum: 0.5, exclusiveMaximum: 9 },
      { minimum: -30, maximum: -7 },
    ].map((limits) => [`integer ${JSON.stringify(limits)}`, { type: 'integer', ...limits }]),
  ),
  ...Object.fromEntries(
    [
      {},
      { minimum: 0, maximum: 1 },
      { minimum: 0.5, maximum: 2.25 },
      { exclusiveMinimum: -1, exclusiveMaximum: 1 },
      { maximum: -3.75 },
      { minimum: 99.95, maximum: 1e3 },
      { minimum: 17, maximum: 17 },
      { minimum: 0.000001, exclusiveMaximum: 0.000003 },
    ].map((limits) => [`number ${JSON.stringify(limits)}`, { type: 'number', ...limits }]),
  ),
};

it('whatever way is taken through a schema ends in JSON that satisfies it', async () => {
  for (const [name, schema] of Object.entries(SCHEMAS)) {
    const isSatisfied = ajv.compile(schema);
    const few = ['object', 'anything', 'recursion', 'definitions'].includes(name);
    const texts = await Promise.all(
      Array.from({ length: few ? 4 : 12 }, async (_, seed) => {
        const grammar = grammarsOfAll.open(schema);
        const tokens = await walk(grammar, seed + 1);
        grammar.close();
        return new TextDecoder('utf-8', { fatal: true }).decode(bytesOf(tokens));
      }),
    );
    for (const text of texts) expect(isSatisfied(JSON.parse(text)), `${name}: ${text}`).toBe(true);
  }
}, 240_000);

it('a character in several tokens is taken, half a one is not the end of a string, and control characters are none', async () => {
  const grammar = grammarsOfAll.open({ type: 'string' });
  const steps = [0x22, ...new TextEncoder().encode('😀é'), 0x22];
  for (const [i, value] of steps.entries()) {
    const ids = await next(grammar);
    expect(ids).toContain(byte(value));
    expect(ids.includes(byte(0x22))).toBe([0, 1, 5, 7].includes(i));
    for (const control of [0, 9, 10, 31]) expect(ids).not.toContain(byte(control));
    grammar.took(byte(value));
  }
  expect(await next(grammar)).toEqual([END]);
  grammar.close();
});

it.each([
  [[0xe0], 0xa0, 0xbf],
  [[0xe1], 0x80, 0xbf],
  [[0xed], 0x80, 0x9f],
  [[0xf0], 0x90, 0xbf],
  [[0xf4], 0x80, 0x8f],
  [[0xf4, 0x8f], 0x80, 0xbf],
])('what begins with the bytes %j goes on as UTF-8 does', async (begun, least, most) => {
  for (const schema of [{ type: 'string' }, { type: 'string', maxLength: 3 }]) {
    const grammar = grammarsOfAll.open(schema);
    for (const value of [0x22, ...begun]) {
      expect(await next(grammar)).toContain(byte(value));
      grammar.took(byte(value));
    }
    const ids = await next(grammar);
    const single = ids.flatMap((id) => (table.bytes(id).length === 1 ? [...table.bytes(id)] : []));
    expect(single.toSorted((x, y) => x - y)).toEqual(
      Array.from({ length: most - least + 1 }, (_, i) => least + i),
    );
    grammar.close();
  }
});

/** Alternatives that differ late: they take xgrammar minutes. */
const HOSTILE: AnswerSchema = {
  anyOf: Array.from({ length: 250 }, (_, i) => ({
    type: 'array',
    items: {
      anyOf: Array.from({ length: 5 }, (_, k) => ({ type: 'string', maxLength: 1 + ((i * 5 + k) % 250) })),
    },
  })),
};

it('a schema that takes too long fails alone: others go on to the same tokens', async () => {
  const schema = SCHEMAS['some members']!;
  const quiet = new Grammars(settings).open(schema);
  const expected = await walk(quiet, 5);
  const grammars = new Grammars(settings, 1_500);
  const beside = grammars.open(schema);
  await beside.settled;
  for (const token of expected.slice(0, 3)) {
    expect(isAllowed(beside.allowed!, token)).toBe(true);
    beside.took(token);
    await beside.settled;
  }
  const hostile = grammars.open(HOSTILE);
  for (const token of expected.slice(3)) {
    expect(isAllowed(beside.allowed!, token)).toBe(true);
    beside.took(token);
    await beside.settled;
  }
  await hostile.settled;
  expect(hostile.failure).toMatchObject({ code: 'invalid_request', field: 'response_format' });
  expect(beside.failure).toBeUndefined();
  expect(isAllowed(beside.allowed!, END)).toBe(true);
  beside.close();
  const after = grammars.open({ const: 1 });
  expect((await next(after)).length).toBeGreaterThan(0);
  after.close();
}, 60_000);

it('what breaks the thread fails alone, and is told from it', async () => {
  const grammars = new Grammars(settings);
  const good = grammars.open({ type: 'boolean' });
  const before = await next(good);
  const bad = grammars.open({ type: 'no type' });
  const second = grammars.open({ type: 'boolean' });
  await bad.settled;
  expect(bad.failure).toMatchObject({ code: 'invalid_request', field: 'response_format' });
  expect(await next(second)).toEqual(before);
  good.took(before[0]!);
  expect((await next(good)).length).toBeGreaterThan(0);
});
