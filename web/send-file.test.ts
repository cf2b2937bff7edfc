import OpenAI from 'openai';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { InProcess } from '../test/in-process.ts';
import { sendFile } from './send-file.ts';

const MIB = 2 ** 20;
let api: InProcess;
let asked: string[] = [];
/** What the server does not get to. */
let lost = (_path: string) => false;
let client: OpenAI;

beforeAll(async () => {
  api = await InProcess.open({ memory: true }, { smallBodies: true });
  client = new OpenAI({
    apiKey: await api.key('alice', ['train']),
    baseURL: 'http://localhost/v1',
    maxRetries: 0,
    fetch: Object.assign(
      async (url: string | URL | Request, init?: RequestInit) => {
        const { pathname } = new URL(url as string);
        asked.push(pathname.replace(/upload_[\w-]+/, 'id'));
        if (lost(pathname)) return new Response('', { status: 503, headers: { 'retry-after-ms': '1' } });
        return api.app.request(url as string, init as RequestInit);
      },
      { Response },
    ), // as the site's own
  });
});
afterAll(() => api.close());

const fileOf = (size: number) => new File([Buffer.alloc(size, '{"text":"row"}\n')], 'rows.jsonl');
const isSame = async (id: string, file: File) =>
  Buffer.from(await (await client.files.content(id)).arrayBuffer()).equals(
    Buffer.from(await file.arrayBuffer()),
  );

it('sends a file in one request, where every server takes it so', async () => {
  asked = [];
  const file = fileOf(4 * MIB);
  const id = await sendFile(client, file);
  expect(asked).toEqual(['/v1/files']);
  expect(await isSame(id, file)).toBe(true);
});

it('sends a larger one in parts, again where one is lost', async () => {
  asked = [];
  let left = 2;
  lost = (path) => path.endsWith('/parts') && left-- > 0;
  const file = fileOf(9 * MIB);
  const id = await sendFile(client, file);
  expect(asked.toSorted()).toEqual([
    '/v1/uploads',
    '/v1/uploads/id/complete',
    ...Array.from({ length: 5 }, () => '/v1/uploads/id/parts'),
  ]);
  expect(await isSame(id, file)).toBe(true);
});

it('lets go what does not get through, and says why', async () => {
  lost = (path) => path.endsWith('/complete');
  await expect(sendFile(client, fileOf(5 * MIB))).rejects.toMatchObject({ status: 503 });
  expect(asked.at(-1)).toBe('/v1/uploads/id/cancel');
});
