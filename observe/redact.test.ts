import { DrizzleQueryError } from 'drizzle-orm/errors';
import { expect, it } from 'vitest';
import { withoutSecrets } from './redact.ts';

it('takes signatures, keys, tokens and passwords out of what is logged, and leaves the rest', () => {
  const signed = 'http://127.0.0.1:9000/patchbay/blobs/abc?X-Amz-Signature=0123&X-Amz-Credential=me';
  expect(
    withoutSecrets({
      error: `GET ${signed} failed`,
      nested: { url: signed, list: ['Authorization: Bearer pb_abcdefghij', 'hf_pb_abcdefghij'] },
      database: 'postgres://patchbay:secret@db.internal:5432/patchbay',
      path: '/api/adapters/alice/json',
      ms: 12,
    }),
  ).toEqual({
    error: 'GET http://127.0.0.1:9000/patchbay/blobs/abc?… failed',
    nested: { url: 'http://127.0.0.1:9000/patchbay/blobs/abc?…', list: ['Authorization: Bearer …', 'pb_…'] },
    database: 'postgres://patchbay:…@db.internal:5432/patchbay',
    path: '/api/adapters/alice/json',
    ms: 12,
  });
});

it('takes the values out of a statement that failed, and leaves the statement and the stack', () => {
  const prompt = 'My password is hunter2.\nWhy does it fail?\n    at login (app.js:1)\nBest, Alice';
  const values = ['7f3c', prompt];
  const { stack, message } = new DrizzleQueryError(
    'insert into t values ($1, $2)',
    values,
    new Error('away'),
  );
  const clean = withoutSecrets({ error: stack, nested: { message } }) as { error: string; nested: object };
  expect(clean.nested).toEqual({ message: 'Failed query: insert into t values ($1, $2)\nparams: …' });
  expect(clean.error).toMatch(
    /Failed query: insert into t values \(\$1, \$2\)\nparams: …\n {4}at .*redact\.test/,
  );
  expect(clean.error).not.toMatch(/7f3c|hunter2|Alice/);
});

it('takes no time that grows faster than the text', () => {
  const long = `http://${'a'.repeat(200_000)} Bearer ${'x'.repeat(200_000)} ${'pb_'.repeat(100_000)} ${'Failed query: \nparams: \n    at '.repeat(10_000)}`;
  expect(withoutSecrets({ long })['long']).toEqual(expect.any(String));
});
