/**
 * The bytes of every token. Text that grows token by token must be put together from bytes: a character may be spread over
 * several tokens, and tokenizers write bytes in one of two ways: byte-level ones map each byte to a printable
 * character, SentencePiece-like ones write `▁` for a space and `<0x0A>` for a byte that no token covers.
 */
import { z } from 'zod';

const TokenizerFile = z.object({
  model: z.object({
    vocab: z.union([z.record(z.string(), z.int()), z.array(z.tuple([z.string(), z.number()]))]),
  }),
  added_tokens: z
    .array(z.object({ id: z.int(), content: z.string(), special: z.boolean().default(false) }))
    .default([]),
  decoder: z.unknown(),
});

export interface TokenTable {
  /** What the token adds to the text; empty for special tokens and for ids that the tokenizer does not know. */
  bytes(id: number): Uint8Array;
  /** The token's own bytes, special or not, as log-probabilities report them. */
  ownBytes(id: number): Uint8Array;
}

export function readTokenTable(tokenizerJson: unknown): TokenTable {
  const { model, added_tokens: added, decoder } = TokenizerFile.parse(tokenizerJson);
  const names: string[] = [];
  const entries = Array.isArray(model.vocab)
    ? model.vocab.map(([token], id) => [token, id] as const)
    : Object.entries(model.vocab);
  for (const [token, id] of entries) names[id] = token;
  const contents = new Map(added.map(({ id, content }) => [id, content]));
  const special = new Set(added.filter((token) => token.special).map(({ id }) => id));
  const toBytes = JSON.stringify(decoder ?? null).includes('"ByteLevel"') ? byteLevel : sentencePiece;
  const known = new Map<number, Uint8Array>();
  const none = new Uint8Array(0);

  const ownBytes = (id: number): Uint8Array => {
    let bytes = known.get(id);
    if (!bytes) {
      const content = contents.get(id);
      bytes = content === undefined ? toBytes(names[id] ?? '') : new TextEncoder().encode(content);
      known.set(id, bytes);
    }
    return bytes;
  };
  return { ownBytes, bytes: (id) => (special.has(id) ? none : ownBytes(id)) };
}

/** GPT-2's table: printable Latin-1 characters stand for themselves, the other bytes for U+0100 and up, in order. */
const BYTE_OF = new Map<string, number>();
for (let byte = 0, next = 256; byte < 256; byte++) {
  const printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  BYTE_OF.set(String.fromCodePoint(printable ? byte : next++), byte);
}

function byteLevel(token: string): Uint8Array {
  return Uint8Array.from(
    [...token].flatMap((char) => BYTE_OF.get(char) ?? [...new TextEncoder().encode(char)]),
  );
}

function sentencePiece(token: string): Uint8Array {
  const byte = /^<0x([0-9A-Fa-f]{2})>$/.exec(token);
  return byte
    ? Uint8Array.of(Number.parseInt(byte[1]!, 16))
    : new TextEncoder().encode(token.replaceAll('▁', ' '));
}
