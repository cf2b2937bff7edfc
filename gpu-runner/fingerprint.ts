/** What answers, in a word (OpenAI's `system_fingerprint`): while it is the same, so are the answers to the same requests with the same seed. */
import { createHash } from 'node:crypto';
import type { GenerateRequest } from '../functions/generate.ts';

/** As many as OpenAI has. */
const DIGITS = 10;

/** @param engine as the thread of the base names itself */
export function fingerprintOf({ base, adapters }: GenerateRequest, engine: string): string {
  const parts = [engine, base.digest, ...adapters.map(({ digest, weight }) => `${digest} ${weight}`)];
  return `fp_${createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, DIGITS)}`;
}
