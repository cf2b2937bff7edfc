import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { TextStream } from '../serve/text-stream.ts';
import { readTokenTable } from './token-table.ts';
import { Tokenizer } from './tokenizer.ts';

interface Reference {
  text: string;
  ids: number[];
  idsWithSpecialTokens: number[];
  decodedWithoutSpecialTokens: string;
}

const FIXTURES = new URL('../../test/fixtures/parity/', import.meta.url);
const json = (path: string) => JSON.parse(readFileSync(new URL(path, FIXTURES), 'utf8'));
const references: Record<string, Reference[]> = json('tokenizer-reference.json');
/** A checkpoint that carries each style of tokenizer. */
const CARRIER: Record<string, string> = {
  metaspace: 'llama2',
  mistral: 'mistral',
  llama3: 'llama3',
  qwen: 'qwen3',
  smollm2: 'smollm2',
};

describe.each(Object.entries(references))('%s: tokens and text as in transformers', (style, cases) => {
  const folder = CARRIER[style]!;
  const tokenizerJson = json(`${folder}/tokenizer.json`);
  const tokenizer = new Tokenizer(tokenizerJson, json(`${folder}/tokenizer_config.json`));
  const table = readTokenTable(tokenizerJson);
  const isSentencePiece = style === 'metaspace' || style === 'mistral';

  it.each(cases)('rendered text to ids: $text', ({ text, ids }) => {
    expect(tokenizer.encodeRendered(text)).toEqual(ids);
  });

  it.each(cases)('ids to text, one by one: $text', ({ ids, decodedWithoutSpecialTokens }) => {
    const stream = new TextStream(table, []);
    const text = ids.map((id) => stream.push(id).text).join('') + stream.end();
    // The mark of the first word is a space: within a text, which a stream continues, it is shown.
    expect(isSentencePiece ? text.replace(/^ /, '') : text).toBe(decodedWithoutSpecialTokens);
  });

  it('a user’s text gets what the tokenizer puts in front, and its control tokens are text', () => {
    const control = tokenizerJson.added_tokens
      .filter((token: { special: boolean }) => token.special)
      .map(({ id }: { id: number }) => id);
    for (const { text, ids, idsWithSpecialTokens } of cases) {
      const encoded = tokenizer.encodeText(text);
      const front = idsWithSpecialTokens.slice(0, idsWithSpecialTokens.length - ids.length);
      expect(encoded.slice(0, front.length)).toEqual(front);
      expect(encoded.slice(front.length).filter((id) => control.includes(id))).toEqual([]);
      if (!ids.some((id) => control.includes(id))) expect(encoded).toEqual(idsWithSpecialTokens);
    }
  });
});
