/** Digests by the runtime's own code; workerd has node:crypto, too. */
import { createHash } from 'node:crypto';
import type { CreateHasher } from './content.ts';

export const createHasher: CreateHasher = (algorithm = 'sha256') => {
  const hash = createHash(algorithm);
  return { update: (chunk) => hash.update(chunk), digest: () => hash.digest('hex') };
};
