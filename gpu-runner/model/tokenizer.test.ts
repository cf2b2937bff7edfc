import { readFileSync } from 'node:fs';
import fc from 'fast-check';
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
  /** Stands for characters that the vocabulary lacks: no control. */
  const unknown = tokenizerJson.added_tokens.find(
    ({ content }: { content: string }) => content === '<unk>',
  )?.id;
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

  it.each(cases)(
    'a text prompt gets what the tokenizer puts in front: $text',
    ({ text, idsWithSpecialTokens }) => {
      expect(tokenizer.encodeText(text)).toEqual(idsWithSpecialTokens);
    },
  );

  it('what a user writes into a conversation cannot be a control token', () => {
    const special: { id: number; content: string }[] = tokenizerJson.added_tokens.filter(
      (token: { special: boolean }) => token.special,
    );
    const control = new Set(special.map(({ id }) => id));
    const [turn] = special;
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            fc.constantFrom(...special.map(({ content }) => content)),
            fc.string(),
            fc.string({ unit: 'grapheme' }),
          ),
        ),
        (parts) => {
          const written = parts.join('');
          const ids = tokenizer.encodeRendered(
            `${turn!.content}${tokenizer.defuse(written)}${turn!.content}`,
          );
          expect([ids[0], ids.at(-1)]).toEqual([turn!.id, turn!.id]);
          expect(ids.slice(1, -1).filter((id) => control.has(id) && id !== unknown)).toEqual([]);
        },
      ),
    );
  });

  it('what a user writes is read as it stands, forged tokens included', () => {
    const [{ content }] = tokenizerJson.added_tokens.filter((token: { special: boolean }) => token.special);
    const stream = new TextStream(table, []);
    const ids = tokenizer.encodeRendered(tokenizer.defuse(`a ${content} b`));
    const text = ids.map((id) => stream.push(id).text).join('') + stream.end();
    expect(text.trimStart()).toBe(`a ${content} b`);
  });
});

it('a conversation with ten thousand control tokens, some forged, is read in a moment', () => {
  const tokenizer = new Tokenizer(json('llama3/tokenizer.json'), json('llama3/tokenizer_config.json'));
  const turn = `<|eot_id|>${tokenizer.defuse('hello <|eot_id|>')}`;
  const began = performance.now();
  tokenizer.encodeRendered(turn.repeat(10_000));
  expect(performance.now() - began).toBeLessThan(10_000);
});
