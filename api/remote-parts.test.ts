import { describe, expect, it } from 'vitest';
import { readConfig } from './config.ts';
import { reachedByOthers, remoteParts } from './remote-parts.ts';

const NEEDED = {
  DATABASE_URL: 'postgres://user:word@db.example/patchbay',
  S3_ENDPOINT: 'https://s3.example',
  S3_ACCESS_KEY_ID: 'id',
  S3_SECRET_ACCESS_KEY: 'secret',
  PATCHBAY_RUNNERS: 'reporting',
  PATCHBAY_RUNNER_TOKEN: 'a token of sixteen or more',
  PATCHBAY_PUBLIC_URL: 'https://patchbay.example',
  PATCHBAY_AUTH_SECRET: 'a secret of at least thirty-two characters',
  PATCHBAY_SIGNING_KEY: '0'.repeat(64),
};

const partsOf = (settings: Record<string, string>) => remoteParts(readConfig(reachedByOthers(settings)));

describe('where every part is elsewhere', () => {
  it('the settings name them all', () => {
    expect(partsOf(NEEDED)).toMatchObject({
      databaseUrl: NEEDED.DATABASE_URL,
      store: { endpoint: NEEDED.S3_ENDPOINT, bucket: 'patchbay' },
      secrets: { runner: NEEDED.PATCHBAY_RUNNER_TOKEN },
    });
  });

  it.each(Object.keys(NEEDED).filter((name) => !/KEY_ID|ACCESS_KEY|TOKEN/.test(name)))(
    'a missing %s is named',
    (name) => {
      expect(() => partsOf({ ...NEEDED, [name]: undefined as unknown as string })).toThrow(name);
    },
  );

  it('strangers make no accounts unless that is said', () => {
    const signUp = (more: object) => readConfig(reachedByOthers({ ...NEEDED, ...more })).signUp;
    expect(signUp({})).toBe(false);
    expect(signUp({ PATCHBAY_SIGN_UP: 'open' })).toBe(true);
  });
});
