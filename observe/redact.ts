/**
 * Keeps out of logs and traces what opens something (signatures of presigned URLs, keys, tokens, passwords in URLs), and what people
 * have written, with which a statement of the database fails.
 */

const SECRETS: readonly (readonly [RegExp, string])[] = [
  // A presigned URL is as good as the file that it leads to.
  [/(\bhttps?:\/\/[^\s?#"'<>]+)\?[^\s"'<>]*/g, '$1?…'],
  [/(\b[a-z][a-z0-9+.-]*:\/\/[^\s:/@]*):[^\s@/]+@/gi, '$1:…@'],
  [/\b(Bearer|Basic)\s+[\w.~+/=-]+/gi, '$1 …'],
  [/\b(?:hf_)?pb_[\w-]{8,}/g, 'pb_…'],
];

export function withoutSecrets(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, cleaned(value)]));
}

function cleaned(value: unknown): unknown {
  if (typeof value === 'string') return cleanText(value);
  if (Array.isArray(value)) return value.map(cleaned);
  if (value !== null && typeof value === 'object' && Object.getPrototypeOf(value) === Object.prototype)
    return withoutSecrets(value as Record<string, unknown>);
  return value;
}

export function cleanText(text: string): string {
  return SECRETS.reduce((clean, [pattern, instead]) => clean.replace(pattern, instead), withoutValues(text));
}

/** Drizzle tells the values of a statement that failed: sessions, addresses, prompts. They may have lines; a stack comes after them. */
function withoutValues(text: string): string {
  const statement = text.indexOf('Failed query: ');
  const values = statement < 0 ? -1 : text.indexOf('\nparams: ', statement);
  if (values < 0) return text;
  const lines = text.slice(values + 1).split('\n');
  const stack = lines.slice(lines.findLastIndex((line) => !line.startsWith('    at ')) + 1);
  return [text.slice(0, values), 'params: …', ...stack].join('\n');
}
