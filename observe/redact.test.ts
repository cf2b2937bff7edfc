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

it('takes no time that grows faster than the text', () => {
  const long = `http://${'a'.repeat(200_000)} Bearer ${'x'.repeat(200_000)} ${'pb_'.repeat(100_000)}`;
  expect(withoutSecrets({ long })['long']).toEqual(expect.any(String));
});
