import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { TokenTable } from '../model/token-table.ts';
import { TextStream } from './text-stream.ts';

/** Token i stands for byte i. */
const byteTable: TokenTable = { bytes: (id) => Uint8Array.of(id), ownBytes: (id) => Uint8Array.of(id) };

/** Shows bytes one by one; what was shown after each, and whether a stop string ended it. */
function show(bytes: Iterable<number>, stops: readonly string[]): { shown: string[]; stopped: boolean } {
  const stream = new TextStream(byteTable, stops);
  const shown: string[] = [];
  for (const byte of bytes) {
    const { text, stopped } = stream.push(byte);
    shown.push(text);
    if (stopped) return { shown: [...shown, stream.end()], stopped };
  }
  return { shown: [...shown, stream.end()], stopped: false };
}

const anyText = fc
  .array(fc.oneof(fc.constantFrom('a', 'b', 'ab', '🌍', 'ö', '\n'), fc.string({ unit: 'grapheme' })))
  .map((parts) => parts.join(''));
const anyStops = fc.array(
  fc.oneof(fc.constantFrom('ab', 'aab', 'b🌍', 'ö'), fc.string({ minLength: 1, maxLength: 4 })),
  { maxLength: 4 },
);

describe('text shown token by token', () => {
  it('is the text up to the first stop string, in whole characters', () => {
    fc.assert(
      fc.property(anyText, anyStops, (text, stops) => {
        const { shown, stopped } = show(new TextEncoder().encode(text), stops);
        const whole = new TextDecoder('utf-8', { ignoreBOM: true }).decode(new TextEncoder().encode(text));
        // The stop string that is complete first ends the answer.
        const ends = stops
          .filter((stop) => whole.includes(stop))
          .map((stop) => whole.indexOf(stop) + stop.length);
        const heard = whole.slice(0, Math.min(whole.length, ...ends));
        const starts = stops.filter((stop) => heard.includes(stop)).map((stop) => heard.indexOf(stop));
        expect(stopped).toBe(ends.length > 0);
        expect(shown.join('')).toBe(stopped ? heard.slice(0, Math.min(...starts)) : whole);
        for (const part of shown) expect(part.isWellFormed()).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });

  it('holds back no more than what may become a stop string', () => {
    expect(show(Buffer.from('xaay'), ['aab']).shown).toEqual(['x', '', '', 'aay', '']);
  });

  it('bytes that are no text become replacement characters, as in transformers', () => {
    expect(show([0x61, 0xff, 0x62], []).shown.join('')).toBe('a\ufffdb');
    expect(show([0x61, 0xf0, 0x9f], []).shown).toEqual(['a', '', '', '\ufffd']);
  });

  it('nothing follows a stop string, not even half a character of its own token', () => {
    const table: TokenTable = { ...byteTable, bytes: () => Uint8Array.of(0x61, 0x62, 0xf0, 0x9f) };
    const stream = new TextStream(table, ['b']);
    expect(stream.push(0)).toEqual({ text: 'a', stopped: true });
    expect(stream.end()).toBe('');
  });

  it('half a surrogate pair is no stop string', () => {
    expect(show(Buffer.from('🌍'), ['\udf0d', '\ud83c']).shown.join('')).toBe('🌍');
  });
});
