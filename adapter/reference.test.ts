import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AdapterError } from './error.ts';
import { formatReference, MAX_TERMS, MAX_WEIGHT, ownerName, parseReference, type Term } from './reference.ts';

const half = fc
  .stringMatching(/^[a-z0-9]([a-z0-9._-]{0,20}[a-z0-9])?$/)
  .filter((text) => !text.includes('..'));
const weight = fc.oneof(
  fc.constant(1),
  fc.integer({ min: -MAX_WEIGHT * 1000, max: MAX_WEIGHT * 1000 }).map((n) => n / 1000),
  fc.integer({ min: 1, max: 1000 }).map((n) => n / 1e12),
);
const which = fc.oneof(
  fc.constant({}),
  fc.integer({ min: 1, max: 999_999_999 }).map((version) => ({ version })),
  fc.uuid().map((id) => ({ checkpoint: `ftckpt-${id}` })),
);
const term = fc
  .record({ owner: half, name: half, which, weight })
  .map(({ which: one, ...rest }): Term => ({ ...rest, ...one }));
const reference = fc
  .uniqueArray(term, {
    minLength: 1,
    maxLength: MAX_TERMS,
    selector: ({ owner, name, version, checkpoint }) => `${owner}/${name}@${version ?? checkpoint}`,
  })
  .map((terms) => ({ terms }));

describe('references', () => {
  it('come back from their text as they were', () => {
    fc.assert(
      fc.property(reference, (it) => {
        expect(parseReference(formatReference(it))).toEqual(it);
      }),
    );
  });

  it('are read or refused, whatever the text', () => {
    const text = fc.oneof(
      fc.string(),
      fc
        .array(fc.constantFrom('a', 'b1', '/', '@', ':', '+', '-', '.', '3', 'v', ' ', '0.5'))
        .map((it) => it.join('')),
    );
    fc.assert(
      fc.property(text, (model) => {
        try {
          const read = parseReference(model);
          expect(parseReference(formatReference(read))).toEqual(read);
        } catch (error) {
          expect(error).toBeInstanceOf(AdapterError);
          expect((error as AdapterError).code).toBe('reference_invalid');
        }
      }),
      { numRuns: 1000 },
    );
  });

  it.each([
    ['ada/polite', [{ owner: 'ada', name: 'polite', weight: 1 }]],
    ['ada/polite@3', [{ owner: 'ada', name: 'polite', version: 3, weight: 1 }]],
    ['ada/polite@v3:0.7', [{ owner: 'ada', name: 'polite', version: 3, weight: 0.7 }]],
    [
      'a/b:0.7+c/d@2:-0.25',
      [
        { owner: 'a', name: 'b', weight: 0.7 },
        { owner: 'c', name: 'd', version: 2, weight: -0.25 },
      ],
    ],
    [
      'a/b@1+a/b@2',
      [
        { owner: 'a', name: 'b', version: 1, weight: 1 },
        { owner: 'a', name: 'b', version: 2, weight: 1 },
      ],
    ],
  ])('reads %s', (text, terms) => {
    expect(parseReference(text)).toEqual({ terms });
  });

  it.each([
    ['', 'is not owner/name'],
    ['polite', 'is not owner/name'],
    ['ada/polite/extra', 'is not owner/name'],
    ['ada/polite@', 'is not owner/name'],
    ['ada/polite@latest', 'is not owner/name'],
    ['ada/polite:', 'is not owner/name'],
    ['ada/polite:1e3', 'is not owner/name'],
    ['ada/polite:NaN', 'is not owner/name'],
    ['ada/polite+', 'is not owner/name'],
    ['ada/polite@0', 'versions count from 1'],
    ['ada/polite:17', 'must lie between'],
    ['Ada/polite', 'lower-case'],
    ['../polite', 'letter or digit at both ends'],
    ['ada/..', 'letter or digit at both ends'],
    ['ada/a..b', 'must not hold'],
    [`ada/${'x'.repeat(65)}`, '1 to 64'],
    ['ada/polite+ada/polite:0.5', 'twice'],
    [Array.from({ length: MAX_TERMS + 1 }, (_, i) => `a/b${i}`).join('+'), `limit is ${MAX_TERMS}`],
    ['a'.repeat(5000), 'longer than'],
  ])('refuses %s', (text, why) => {
    expect(() => parseReference(text)).toThrow(why);
  });

  it('takes only names that are safe in a path', () => {
    for (const name of ['a', '0', 'a.b', 'a_b-c', 'x'.repeat(64)])
      expect(ownerName.safeParse(name).success).toBe(true);
    for (const name of ['', '.', '..', '-a', 'a-', 'a/b', 'a b', 'ä', 'a\n', 'a%2e'])
      expect(ownerName.safeParse(name).success).toBe(false);
  });
});
