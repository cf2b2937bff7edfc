import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AdapterError } from './error.ts';
import { jsonTokens, parseStrictJson } from './json.ts';

describe('strict JSON', () => {
  it('reads what JSON.parse reads, however it is spaced', () => {
    const value = fc.jsonValue({ maxDepth: 5, stringUnit: 'grapheme' });
    fc.assert(
      fc.property(value, fc.constantFrom(undefined, 1, '\t'), (it, indent) => {
        const text = JSON.stringify(it, undefined, indent);
        expect(parseStrictJson(text, 'It')).toEqual(JSON.parse(text));
        const tokens = [...jsonTokens(text)].map(({ source }) => source).join('');
        expect(JSON.parse(tokens)).toEqual(JSON.parse(text));
      }),
    );
  });

  it('refuses equal keys wherever they are, and only those', () => {
    const key = fc.constantFrom('a', 'b', 'c', '"', '\\', 'a"b', '{', '__proto__');
    const gap = fc.constantFrom('', ' ', '\n'.repeat(70));
    fc.assert(
      fc.property(fc.array(key, { maxLength: 5 }), gap, fc.nat(3), (keys, space, depth) => {
        const members = keys
          .map((name) => `${JSON.stringify(name)}${space}:${space}{"a":["a","a"]}`)
          .join(`${space},`);
        const text = `${'{"deeper":['.repeat(depth)}{${members}}${']}'.repeat(depth)}`;
        const read = () => parseStrictJson(text, 'It');
        if (new Set(keys).size === keys.length) expect(read()).toEqual(JSON.parse(text));
        else expect(read).toThrow(expect.objectContaining({ code: 'duplicate_key' }));
      }),
    );
  });

  it('takes megabytes of one string, and nesting of millions, without losing its stack', () => {
    expect(parseStrictJson(`"${'x'.repeat(4e6)}"`, 'It')).toHaveLength(4e6);
    expect(() => parseStrictJson('['.repeat(1e6) + ']'.repeat(1e6), 'It')).toThrow(AdapterError);
  });
});
