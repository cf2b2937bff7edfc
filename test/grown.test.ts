/** The same server on a real Postgres and a real S3 server: only the environment differs. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { seedFolder, TestServer } from './harness.ts';
import { type PostgresForTests, startPostgres } from './servers/postgres.ts';
import { type S3ForTests, startVersitygw, versitygwInstalled } from './servers/versitygw.ts';

describe.skipIf(!versitygwInstalled)('on Postgres and S3', () => {
  let postgres: PostgresForTests;
  let s3: S3ForTests;
  let server: TestServer;

  beforeAll(async () => {
    [postgres, s3] = await Promise.all([startPostgres(), startVersitygw()]);
    server = await TestServer.start({
      DATABASE_URL: await postgres.createDatabase('patchbay'),
      S3_ENDPOINT: s3.endpoint,
      S3_REGION: s3.region,
      S3_ACCESS_KEY_ID: s3.accessKeyId,
      S3_SECRET_ACCESS_KEY: s3.secretAccessKey,
    });
  });

  afterAll(async () => {
    await server?.remove();
    await s3?.close();
    await postgres?.close();
  });

  it('publishes, finds and invokes an adapter, and keeps it over a restart', async () => {
    const published = await server.cli(
      '--json',
      'publish',
      join(seedFolder, 'adapters/sql'),
      '--as',
      'alice/grown',
    );
    expect(published.stderr).toBe('');
    expect(JSON.parse((await server.cli('--json', 'search', 'grown')).stdout).adapters[0].id).toBe(
      'alice/grown',
    );
    await server.stop();
    await server.start();
    const answer = await server.openai().chat.completions.create({
      model: 'alice/grown@1',
      messages: [
        { role: 'user', content: 'Table books(title, author, price). List the title of all books.' },
      ],
      temperature: 0,
    });
    expect(answer.choices[0]?.message.content).toBe('SELECT title FROM books');
  });
});

describe('what cannot be reached', () => {
  it.each([
    [
      'Postgres',
      { DATABASE_URL: 'postgres://nobody:nothing@127.0.0.1:9/none' },
      /Postgres at 127\.0\.0\.1:9 cannot be used.*DATABASE_URL/,
    ],
    [
      'S3',
      { S3_ENDPOINT: 'http://127.0.0.1:9', S3_ACCESS_KEY_ID: 'a', S3_SECRET_ACCESS_KEY: 'b' },
      /S3 at http:\/\/127\.0\.0\.1:9 cannot be used/,
    ],
    ['a setting that is none', { PORT: 'http' }, /PORT/],
    [
      'a folder that cannot be written',
      { PATCHBAY_DATA: '/proc/patchbay' },
      /cannot be written.*PATCHBAY_DATA/,
    ],
  ])('%s is named in one line', async (_name, environment, message) => {
    await expect(TestServer.start(environment as Record<string, string>)).rejects.toThrow(message);
  });
});
