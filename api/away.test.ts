import { Pool } from 'pg';
import { describe, expect, it } from 'vitest';
import { isAway } from './away.ts';
import { createBlobStore } from './blob-store.ts';

const thrownBy = async (work: () => Promise<unknown>): Promise<unknown> => {
  try {
    await work();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
};
const coded = (code: string) => Object.assign(new Error('no'), { code });

describe('what is away', () => {
  it('is a database that nobody listens for', async () => {
    const pool = new Pool({ connectionString: 'postgres://nobody@127.0.0.1:9/none' });
    expect(isAway(await thrownBy(() => pool.query('select 1')))).toBe(true);
    await pool.end();
  });

  it('is an object store that nobody listens for', async () => {
    const [region, bucket] = ['us-east-1', 'none'];
    const keys = { accessKeyId: 'a', secretAccessKey: 'b' };
    const store = createBlobStore({ endpoint: 'http://127.0.0.1:9', region, bucket, ...keys });
    expect(isAway(await thrownBy(() => store.size('x')))).toBe(true);
    store.close();
  });

  it.each(['57P01', '57P03', '08006', '40P01', 'ECONNRESET', 'UND_ERR_SOCKET'])('is %s', (code) => {
    expect(isAway(new Error('Failed query', { cause: coded(code) }))).toBe(true);
  });

  it.each(['23505', '42P01', 'ENOENT', 'ERR_INVALID_ARG_TYPE'])('is not %s, which is our mistake', (code) => {
    expect(isAway(new Error('Failed query', { cause: coded(code) }))).toBe(false);
  });

  it('is not whatever else is thrown', () => {
    for (const thrown of [
      undefined,
      null,
      'no',
      new TypeError('x is undefined'),
      { $metadata: { httpStatusCode: 404 } },
    ])
      expect(isAway(thrown)).toBe(false);
  });
});
