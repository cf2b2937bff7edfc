/**
 * Reads JSON that a stranger wrote, strictly: `JSON.parse` lets a later duplicate of a key win, so two readers of one file
 * could see two different tensors under one name. This walks the text once to find duplicates and depth, and leaves the
 * rest of the grammar to `JSON.parse`, which has accepted the text before.
 */
import { AdapterError } from './error.ts';

/** Deeper than any header or configuration is. */
const MAX_DEPTH = 16;

export function parseStrictJson(text: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new AdapterError('header_not_json', `The header is not JSON: ${(error as Error).message}.`);
  }
  refuseDuplicates(text);
  return value;
}

/** @param text valid JSON */
function refuseDuplicates(text: string): void {
  const open: (Set<string> | undefined)[] = []; // a set of keys for each open object, undefined for each open array
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (char === '{' || char === '[') {
      open.push(char === '{' ? new Set() : undefined);
      if (open.length > MAX_DEPTH)
        throw new AdapterError('header_too_deep', `The header nests deeper than ${MAX_DEPTH} levels.`);
    } else if (char === '}' || char === ']') {
      open.pop();
    } else if (char === '"') {
      const end = endOfString(text, at);
      const keys = open.at(-1);
      if (keys && /^\s*:/.test(text.slice(end, end + 64)))
        addKey(keys, JSON.parse(text.slice(at, end)) as string);
      at = end - 1;
    }
  }
}

function addKey(keys: Set<string>, key: string): void {
  if (keys.has(key))
    throw new AdapterError('duplicate_key', `The header has the key ${JSON.stringify(key)} twice.`, key);
  keys.add(key);
}

/** Index behind the closing quote of the string that begins at `start`. */
function endOfString(text: string, start: number): number {
  for (let at = start + 1; ; at++) {
    if (text[at] === '\\') at++;
    else if (text[at] === '"') return at + 1;
  }
}
