/** Passwords and keys for compose.yaml, made anew: `npx node infra/make-env.ts > infra/.env`. */
import { randomBytes } from 'node:crypto';

/** 256 bits each: PATCHBAY_SIGNING_KEY has to have exactly that. */
const NAMES = [
  'POSTGRES_PASSWORD',
  'S3_SECRET_ACCESS_KEY',
  'PATCHBAY_AUTH_SECRET',
  'PATCHBAY_RUNNER_TOKEN',
  'PATCHBAY_SIGNING_KEY',
];

for (const name of NAMES) process.stdout.write(`${name}=${randomBytes(32).toString('hex')}\n`);
