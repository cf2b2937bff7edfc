/** What a user can do is the same whichever runtime answers: Node, workerd, or Lambda behind a streaming function URL. */
import { createHash } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { downloadFile, listFiles } from '@huggingface/hub';
import type OpenAI from 'openai';
import { APIError, toFile } from 'openai';
import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { RunnerProcess } from '../../api/embedded/runner-process.ts';
import { seedFolder, TestClient } from '../harness.ts';
import { startWorkerdWithTrigger } from '../servers/workerd.ts';
import { copyAdapter, type Marketplace, RUNTIMES, startMarketplace, type WayIn } from './marketplace.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 });

const sqlFolder = join(seedFolder, 'adapters/sql');
const question = {
  role: 'user' as const,
  content: 'Table books(title, author, price). List the title of all books.',
};
const answer = 'SELECT title FROM books';
/** What every runtime takes. */
const SMALL_PART = 4 * 2 ** 20;
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

const because = (reason: string | undefined) => (reason ? `: ${reason}` : '');

async function leaveInTheMiddle(client: OpenAI): Promise<void> {
  const stream = await client.chat.completions.create({
    model: 'patchbay/tiny',
    messages: [{ role: 'user', content: 'Hello!' }],
    logit_bias: { '4': -100 }, // never ends by itself
    stream: true,
  });
  for await (const { choices } of stream) if (choices[0]?.delta.content) break;
  stream.controller.abort();
}

let marketplace: Marketplace;

beforeAll(async () => {
  marketplace = await startMarketplace();
  for (const { prepare } of RUNTIMES) prepare();
});

afterAll(() => marketplace?.close());

describe.each(RUNTIMES)('through $name', ({ name, open, gaps }) => {
  const own = name.toLowerCase();
  let way: WayIn;
  let server: TestClient;
  let training: RunnerProcess;

  beforeAll(async () => {
    way = await open(marketplace);
    training = await marketplace.startTrainRunner(way.url);
    server = new TestClient(join(marketplace.node.folder, own), way.url, marketplace.node.key);
  });

  // What the operator would find in the log.
  afterEach(({ task }) => {
    if (task.result?.state === 'fail') process.stderr.write(`${way.log()}\n`);
  });

  afterAll(async () => {
    await training?.stop();
    await way?.stop();
    await rm(server.folder, { recursive: true, force: true });
  });

  const ask = (model: string, client = server.openai()) =>
    client.chat.completions.create({ model, messages: [question], temperature: 0 });

  const used = async (): Promise<number> => {
    const { items } = await (await server.call('GET', '/api/usage')).json();
    return items.reduce((sum: number, { quantity }: { quantity: number }) => sum + quantity, 0);
  };

  it('is ready', async () => {
    const ready = await server.call('GET', '/readyz');
    expect(await ready.json()).toMatchObject({ status: 'ready' });
  });

  it('the catalog is searched, and an adapter shown', async () => {
    const { adapters } = JSON.parse((await server.cli('--json', 'search', 'sql')).stdout);
    expect(adapters.map(({ id }: { id: string }) => id)).toContain('patchbay/sql');
    expect((await server.cli('show', 'patchbay/sql')).stdout).toContain('Question to SQL');
  });

  it('an adapter answers the openai client, whole and in pieces, and what was used is entered', async () => {
    const before = await used();
    const whole = await ask('patchbay/sql');
    expect(whole.choices[0]?.message.content).toBe(answer);
    const stream = await server.openai().chat.completions.create({
      model: 'patchbay/sql@1',
      messages: [question],
      temperature: 0,
      stream: true,
      stream_options: { include_usage: true },
    });
    const pieces: string[] = [];
    let total = 0;
    for await (const { choices, usage } of stream) {
      if (choices[0]?.delta.content) pieces.push(choices[0].delta.content);
      total = usage?.total_tokens ?? total;
    }
    expect(pieces.join('')).toBe(answer);
    expect(pieces.length).toBeGreaterThan(2);
    await expect.poll(used).toBe(before + whole.usage!.total_tokens + total);
  });

  it('the first piece comes before the last one is made', async () => {
    const stream = await server.openai().chat.completions.create({
      model: 'patchbay/tiny',
      messages: [{ role: 'user', content: 'Hello!' }],
      logit_bias: { '4': -100 }, // never ends by itself
      max_tokens: 200,
      stream: true,
    });
    const times: number[] = [];
    for await (const { choices } of stream) if (choices[0]?.delta.content) times.push(performance.now());
    expect(times.length).toBeGreaterThan(50);
    // Had it been held back, all of it would have come at once.
    expect(new Set(times.map((time) => Math.floor(time / 10))).size).toBeGreaterThan(5);
  });

  it('a client that leaves in the middle pays for what was made', async () => {
    const before = await used();
    for (let i = 0; i < 3; i++) await leaveInTheMiddle(server.openai());
    expect((await ask('patchbay/sql')).choices[0]?.message.content).toBe(answer);
    // The prompts and the answer are 6 + 6 + 6 + 25 tokens; the rest is what was made for those who left.
    await expect.poll(used, { timeout: 20_000 }).toBeGreaterThan(before + 43);
  });

  it.skipIf(gaps.leaving)(`a client that leaves frees the runner${because(gaps.leaving)}`, async () => {
    await leaveInTheMiddle(server.openai());
    // The whole answer would be some 500 tokens.
    await expect.poll(() => marketplace.running(), { timeout: 1_000, interval: 20 }).toBe(0);
  });

  it('an adapter is published by the command, passes the gate, answers, and is taken away byte for byte', async () => {
    const folder = join(marketplace.node.folder, `adapter-${own}`);
    await copyAdapter(sqlFolder, folder, `# Made for ${name}\n`);
    const published = await server.cli('--json', 'publish', folder, '--as', `alice/${own}`);
    expect(published.stderr).toBe('');
    expect(JSON.parse(published.stdout).version).toMatchObject({ reference: `alice/${own}@1` });
    expect((await ask(`alice/${own}@1`)).choices[0]?.message.content).toBe(answer);
    const target = join(marketplace.node.folder, `pulled-${own}`);
    expect((await server.cli('pull', `alice/${own}`, target)).code).toBe(0);
    for (const file of ['adapter_config.json', 'adapter_model.safetensors', 'README.md'])
      expect(sha256(await readFile(join(target, file)))).toBe(sha256(await readFile(join(folder, file))));
  });

  it('@huggingface/hub lists and downloads', async () => {
    const repository = { repo: 'patchbay/sql', hubUrl: server.url };
    const paths = (await Array.fromAsync(listFiles(repository))).map(({ path }) => path);
    expect(paths).toContain('adapter_model.safetensors');
    const blob = await downloadFile({ ...repository, path: 'adapter_model.safetensors' });
    const weights = await readFile(join(sqlFolder, 'adapter_model.safetensors'));
    expect(sha256(new Uint8Array(await blob!.arrayBuffer()))).toBe(sha256(weights));
  });

  it('a job is made from rows, trained, and its adapter answers', async () => {
    const rows = Array.from({ length: 12 }, (_, i) =>
      JSON.stringify({ prompt: `Say ${i}`, completion: `I say ${i}` }),
    );
    const client = server.openai();
    const file = await client.files.create({
      file: await toFile(Buffer.from(rows.join('\n')), 'rows.jsonl'),
      purpose: 'fine-tune',
    });
    const { id } = await client.fineTuning.jobs.create({
      model: 'patchbay/tiny',
      training_file: file.id,
      suffix: own,
      seed: 1,
      method: { type: 'supervised', supervised: { hyperparameters: { n_epochs: 1, batch_size: 4 } } },
    });
    const job = () => client.fineTuning.jobs.retrieve(id);
    await expect.poll(async () => (await job()).status, { timeout: 45_000 }).toBe('succeeded');
    const made = (await job()).fine_tuned_model!;
    expect(made).toBe(`admin/${own}@v1`);
    expect((await ask(made)).usage?.completion_tokens).toBeGreaterThan(0);
  });

  it('a file comes in parts', async () => {
    const rows = Buffer.from('{"text":"row"}\n'.repeat(600_000)); // three parts
    const client = server.openai();
    const { id } = await client.uploads.create({
      purpose: 'fine-tune',
      filename: 'rows.jsonl',
      bytes: rows.length,
      mime_type: 'text/jsonl',
    });
    const starts = Array.from({ length: Math.ceil(rows.length / SMALL_PART) }, (_, i) => i * SMALL_PART);
    const parts = await Promise.all(
      starts.map(async (start) => {
        const data = await toFile(rows.subarray(start, start + SMALL_PART));
        return (await client.uploads.parts.create(id, { data })).id;
      }),
    );
    const md5 = createHash('md5').update(rows).digest('hex');
    const { file } = await client.uploads.complete(id, { part_ids: parts, md5 });
    const content = await (await client.files.content(file!.id)).arrayBuffer();
    expect(sha256(new Uint8Array(content))).toBe(sha256(rows));
  });

  it('the site shows an adapter, compressed for whoever reads that, and its files', async () => {
    const page = (encoding: string) =>
      fetch(`${server.url}/adapters/patchbay/sql`, {
        headers: { accept: 'text/html', 'accept-encoding': encoding },
      });
    const plain = await page('identity');
    expect(plain.status).toBe(200);
    const html = await plain.text();
    expect(html).toContain('Question to SQL');
    const small = await page('gzip');
    expect(small.headers.get('content-encoding')).toBe('gzip');
    expect(await small.text()).toContain('Question to SQL');
    const [, script] = /<script[^>]*src="([^"]+)"/.exec(html)!;
    const asset = await fetch(`${server.url}${script}`, { headers: { 'accept-encoding': 'br' } });
    expect(asset.headers.get('content-type')).toContain('javascript');
    expect(asset.headers.get('content-encoding')).toBe('br');
    expect(asset.headers.get('cache-control')).toContain('immutable');
    expect(await asset.text()).toContain('import');
  });

  it('a page is there for whoever takes anything, as previews of links do; where there is none, that is told in JSON', async () => {
    const shown = await fetch(`${server.url}/adapters/patchbay/sql`, { headers: { accept: '*/*' } });
    expect(shown.headers.get('content-type')).toContain('text/html');
    expect(await shown.text()).toContain('Question to SQL');
    for (const path of ['/adapters/patchbay/none', '/nothing/of/the/kind', '/chat/completions']) {
      const none = await fetch(server.url + path, { headers: { accept: '*/*' } });
      expect(none.status).toBe(404);
      expect(none.headers.get('content-type')).toContain('json');
    }
  });

  it('a person signs up, is known by the cookie, and signs out', async () => {
    const headers = { 'content-type': 'application/json', origin: server.url };
    const person = { name: `p-${own}`, email: `${own}@example.com`, password: 'correct horse battery' };
    const signedUp = await fetch(`${server.url}/api/auth/sign-up/email`, {
      method: 'POST',
      headers,
      body: JSON.stringify(person),
    });
    expect(signedUp.status).toBe(200);
    const cookie = signedUp.headers
      .getSetCookie()
      .map((line) => line.split(';')[0])
      .join('; ');
    const whoami = await fetch(`${server.url}/api/whoami`, { headers: { cookie } });
    expect(await whoami.json()).toMatchObject({ owner: `p-${own}` });
  });

  it('errors come in the shape of each protocol', async () => {
    const failed = await ask('nobody/nothing').catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(APIError);
    expect(failed).toMatchObject({ status: 404, code: 'model_not_found' });
    const missing = await server.call('GET', '/api/adapters/nobody/nothing');
    expect(missing.headers.get('content-type')).toBe('application/problem+json');
    expect(await missing.json()).toMatchObject({ status: 404, code: 'not_found' });
    const long = await server.call('POST', '/v1/chat/completions', `{"pad":"${'x'.repeat(10 * 2 ** 20)}"}`);
    expect(long.status).toBe(413);
    expect((await server.call('GET', '/api/whoami', undefined, 'pb_wrong')).status).toBe(401);
  });

  it('a key that was revoked through another way in is refused within seconds', async () => {
    const made = await (await server.call('POST', '/api/keys', { name: own, scopes: ['read'] })).json();
    const whoami = async () => (await server.call('GET', '/api/whoami', undefined, made.key)).status;
    expect(await whoami()).toBe(200);
    expect((await marketplace.node.call('DELETE', `/api/keys/${made.id}`)).status).toBe(204);
    await expect.poll(whoami, { timeout: 10_000, interval: 500 }).toBe(401);
  });
});

it('at the edge, a cron trigger runs what is due of the schedules', async () => {
  await marketplace.node.stop(); // which would run them itself
  const client = new Client({ connectionString: marketplace.settings['DATABASE_URL'] });
  await client.connect();
  const edge = await startWorkerdWithTrigger(marketplace.settings);
  try {
    await client.query("update schedules set next_at = now(), lease_expires_at = now() where name = 'sweep'");
    const { rows } = await client.query('select now() as at');
    const ran = await fetch(edge.url, { method: 'POST' });
    expect(await ran.json()).toMatchObject({ outcome: 'ok' });
    const swept = await client.query(
      "select started_at, finished_at, error from schedules where name = 'sweep'",
    );
    expect(swept.rows[0]).toMatchObject({ error: null });
    expect(swept.rows[0].started_at.getTime()).toBeGreaterThanOrEqual(rows[0].at.getTime());
    expect(swept.rows[0].finished_at.getTime()).toBeGreaterThanOrEqual(swept.rows[0].started_at.getTime());
  } finally {
    await edge.stop();
    await client.end();
  }
});
