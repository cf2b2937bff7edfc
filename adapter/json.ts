/**
 * Reads JSON that a stranger wrote, strictly. `JSON.parse` lets the last of two equal keys win, so two readers of one file
 * could see two different tensors, or two different ranks, under one name. Here the text is parsed first, and then walked
 * once more as tokens for what parsing hides: equal keys, depth, and strings that no UTF-8 text can hold.
 */
import { AdapterError } from './error.ts';

/** Deeper than any header or configuration is. */
export const MAX_DEPTH = 16;
/** Longer than any tensor name or field; keys are quoted in messages. */
export const MAX_KEY_LENGTH = 512;

export interface JsonToken {
  readonly kind: '{' | '}' | '[' | ']' | ',' | ':' | 'string' | 'literal';
  /** As written: a string with its quotes, a number with its sign. */
  readonly source: string;
}

/** @param what names the text at the start of a message, such as `adapter_config.json`. @throws AdapterError */
export function parseStrictJson(text: string, what: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new AdapterError('json_invalid', `${what} is not JSON: ${(error as Error).message}.`);
  }
  checkTokens(text, what);
  return value;
}

/** By hand, not by a regular expression: a string of megabytes would overflow the expression's stack. @param text valid JSON */
export function* jsonTokens(text: string): Generator<JsonToken> {
  let at = 0;
  while (at < text.length) {
    const char = text[at]!;
    if (WHITE_SPACE.includes(char)) {
      at++;
      continue;
    }
    const end =
      char === '"' ? endOfString(text, at) : PUNCTUATION.includes(char) ? at + 1 : endOfLiteral(text, at);
    const kind =
      char === '"' ? 'string' : PUNCTUATION.includes(char) ? (char as JsonToken['kind']) : 'literal';
    yield { kind, source: text.slice(at, end) };
    at = end;
  }
}

const WHITE_SPACE = ' \t\n\r';
const PUNCTUATION = '{}[],:';

/** Index behind the closing quote of the string that begins at `start`. */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at + 1;
}

/** Index behind the number, true, false or null that begins at `start`. */
function endOfLiteral(text: string, start: number): number {
  let at = start;
  while (at < text.length && !WHITE_SPACE.includes(text[at]!) && !PUNCTUATION.includes(text[at]!)) at++;
  return at;
}

function checkTokens(text: string, what: string): void {
  const open: (Set<string> | undefined)[] = []; // the keys of each open object, undefined for each open array
  let previous: JsonToken['kind'] | undefined;
  for (const { kind, source } of jsonTokens(text)) {
    if (kind === '{' || kind === '[') {
      open.push(kind === '{' ? new Set() : undefined);
      if (open.length > MAX_DEPTH)
        throw new AdapterError('json_too_deep', `${what} nests deeper than ${MAX_DEPTH} levels.`);
    } else if (kind === '}' || kind === ']') {
      open.pop();
    } else if (kind === 'string') {
      const string = readString(source, what);
      const keys = open.at(-1);
      if (keys && (previous === '{' || previous === ',')) addKey(keys, string, what);
    }
    previous = kind;
  }
}

function readString(source: string, what: string): string {
  const string = JSON.parse(source) as string;
  if (!string.isWellFormed())
    throw new AdapterError(
      'json_invalid',
      `${what} holds half of a surrogate pair, which is not a character.`,
    );
  return string;
}

function addKey(keys: Set<string>, key: string, what: string): void {
  if (key.length > MAX_KEY_LENGTH) {
    const start = JSON.stringify(key.slice(0, 40));
    throw new AdapterError(
      'key_too_long',
      `${what} has a key of ${key.length} characters that begins with ${start}; the limit is ${MAX_KEY_LENGTH}.`,
    );
  }
  if (keys.has(key))
    throw new AdapterError('duplicate_key', `${what} has the key ${JSON.stringify(key)} twice.`, key);
  keys.add(key);
}
