/** sha256 by the runtime's own code; workerd has node:crypto, too. */
import { createHash } from 'node:crypto';
import type { Hasher } from './content.ts';

export function createHasher(): Hasher {
  const hash = createHash('sha256');
  return { update: (chunk) => hash.update(chunk), digest: () => hash.digest('hex') };
}
