/** Keeps out of logs what opens something: signatures of presigned URLs, keys, tokens, passwords in URLs. */

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
  return SECRETS.reduce((clean, [pattern, instead]) => clean.replace(pattern, instead), text);
}
