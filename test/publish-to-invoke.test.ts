/** The main job from end to end, with the clients that people have: the openai package and the patchbay command. */
import { createHash } from 'node:crypto';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type OpenAI from 'openai';
import { APIError } from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { Findings } from '../functions/verify.ts';
import { seedFolder, TestClient, TestServer } from './harness.ts';

const sqlFolder = join(seedFolder, 'adapters/sql');
const question = 'Table books(title, author, price). List the title of all books.';
const answer = 'SELECT title FROM books';

let server: TestServer;
let work: string;

beforeAll(async () => {
  server = await TestServer.start();
  work = await mkdtemp(join(tmpdir(), 'patchbay-work-'));
});

afterAll(async () => {
  await server.remove();
  await rm(work, { recursive: true, force: true });
});

const ask = (
  model: string,
  more: Partial<OpenAI.ChatCompletionCreateParamsNonStreaming> = {},
  client = server.openai(),
) =>
  client.chat.completions.create({
    model,
    messages: [{ role: 'user', content: question }],
    temperature: 0,
    ...more,
  });

async function failure(call: Promise<unknown>): Promise<APIError> {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(APIError);
  return error as APIError;
}

describe('invoking with the openai client', () => {
  it('lists bases and adapters, and finds a model whose name holds a slash', async () => {
    const { data } = await server.openai().models.list();
    expect(data.map(({ id }) => id)).toEqual(expect.arrayContaining(['patchbay/tiny', 'patchbay/sql']));
    expect(await server.openai().models.retrieve('patchbay/sql')).toMatchObject({
      id: 'patchbay/sql',
      parent: 'patchbay/tiny',
    });
    expect((await server.call('GET', '/v1/models/patchbay/sql')).status).toBe(200);
  });

  it('answers with the adapter, its version and its base, each in its own way', async () => {
    const [adapter, version, base] = await Promise.all([
      ask('patchbay/sql'),
      ask('patchbay/sql@1'),
      ask('patchbay/tiny'),
    ]);
    expect(adapter.choices[0]?.message.content).toBe(answer);
    expect(version.choices[0]?.message.content).toBe(answer);
    expect(base.choices[0]?.message.content).not.toBe(answer);
    expect(adapter.choices[0]?.finish_reason).toBe('stop');
    expect(adapter.system_fingerprint).toMatch(/^fp_/);
    expect(version.system_fingerprint).toBe(adapter.system_fingerprint);
    expect(base.system_fingerprint).not.toBe(adapter.system_fingerprint);
    expect(adapter.usage?.total_tokens).toBe(adapter.usage!.prompt_tokens + adapter.usage!.completion_tokens);
  });

  it('answers a weighted mix, of which weight 1 and 0 is the first adapter', async () => {
    expect((await ask('patchbay/sql:1+patchbay/json:0')).choices[0]?.message.content).toBe(answer);
    expect(
      (await ask('patchbay/sql:0.5+patchbay/json:0.5', { max_tokens: 8 })).usage?.completion_tokens,
    ).toBeGreaterThan(0);
  });

  it('streams the same text in pieces, then the usage', async () => {
    const stream = await server.openai().chat.completions.create({
      model: 'patchbay/sql',
      messages: [{ role: 'user', content: question }],
      temperature: 0,
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = '';
    let pieces = 0;
    let usage: OpenAI.CompletionUsage | undefined;
    const fingerprints = new Set<string | undefined>();
    for await (const chunk of stream) {
      fingerprints.add(chunk.system_fingerprint);
      const piece = chunk.choices[0]?.delta.content ?? '';
      text += piece;
      if (piece) pieces++;
      usage = chunk.usage ?? usage;
    }
    expect(text).toBe(answer);
    expect([...fingerprints]).toEqual([(await ask('patchbay/sql')).system_fingerprint]);
    expect(pieces).toBeGreaterThan(2);
    expect(usage?.completion_tokens).toBeGreaterThan(2);
  });

  it('repeats itself with a seed, whatever else is being served', async () => {
    const settings = { temperature: 1.2, seed: 7, max_tokens: 24, n: 3 };
    const alone = await ask('patchbay/tiny', settings);
    const [together] = await Promise.all([
      ask('patchbay/tiny', settings),
      ask('patchbay/sql'),
      ask('patchbay/json', { temperature: 1 }),
    ]);
    const texts = alone.choices.map(({ message }) => message.content);
    expect(together.choices.map(({ message }) => message.content)).toEqual(texts);
    expect(new Set(texts).size).toBeGreaterThan(1);
  });

  it('stops at stop strings and at max_tokens, and reports log-probabilities', async () => {
    expect((await ask('patchbay/sql', { stop: [' FROM'] })).choices[0]).toMatchObject({
      message: { content: 'SELECT title' },
      finish_reason: 'stop',
    });
    expect((await ask('patchbay/sql', { max_tokens: 1 })).choices[0]?.finish_reason).toBe('length');
    const { choices } = await ask('patchbay/sql', { logprobs: true, top_logprobs: 3 });
    const tokens = choices[0]?.logprobs?.content ?? [];
    expect(tokens.map(({ token }) => token).join('')).toContain(answer);
    for (const { logprob, top_logprobs } of tokens) {
      expect(top_logprobs).toHaveLength(3);
      expect(logprob).toBeCloseTo(top_logprobs[0]!.logprob, 5); // greedy: the best one
    }
  });

  it('tells of every token of a text where it begins, and how probable it was beside the best', async () => {
    const order = {
      model: 'patchbay/tiny',
      prompt: 'SELECT COUNT(*)',
      max_tokens: 12,
      temperature: 1.6,
      seed: 3,
      logprobs: 1,
      stop: ['never said'],
    };
    const { completions } = server.openai();
    const whole = (await completions.create(order)).choices[0]!.logprobs!;
    for (const [i, token] of whole.tokens!.entries())
      expect(Object.keys(whole.top_logprobs![i]!)).toContain(token);
    const offsets: number[] = [];
    for await (const { choices } of await completions.create({ ...order, stream: true }))
      offsets.push(...(choices[0]?.logprobs?.text_offset ?? []));
    expect(offsets).toEqual(whole.text_offset);
  });

  it('continues plain text', async () => {
    const { choices } = await server.openai().completions.create({
      model: 'patchbay/tiny',
      prompt: 'SELECT COUNT(*)',
      max_tokens: 4,
      temperature: 0,
    });
    expect(choices[0]?.text).toMatch(/^ FROM/);
  });

  it.each([
    ['an unknown model', 404, 'model_not_found', { model: 'nobody/nothing' }],
    ['a version that is not there', 404, 'model_not_found', { model: 'patchbay/sql@99' }],
    ['a name that is none', 404, 'model_not_found', { model: 'sql' }],
    ['no messages', 400, 'invalid_request', { messages: [] }],
    ['a temperature beyond 2', 400, 'invalid_request', { temperature: 3 }],
    ['a message without content', 400, 'invalid_request', { messages: [{ role: 'user' }] }],
    [
      'a message whose content is null',
      400,
      'invalid_request',
      { messages: [{ role: 'system', content: null }] },
    ],
    ['an option that nobody knows', 400, 'unsupported_parameter', { max_token: 5 }],
    ['tools', 400, 'unsupported_parameter', { tools: [{ type: 'function', function: { name: 'f' } }] }],
    [
      'a prompt beyond the context',
      400,
      'context_length_exceeded',
      { messages: [{ role: 'user', content: 'word '.repeat(3000) }] },
    ],
    [
      'a role that the template refuses',
      400,
      'template_failed',
      { messages: [{ role: 'tool', content: 'x', tool_call_id: '1' }] },
    ],
  ] as const)('answers %s with %i', async (_name, status, code, more) => {
    const error = await failure(ask('patchbay/sql', more as never));
    expect(error.status).toBe(status);
    expect(error.code).toBe(code);
    expect(error.message).not.toMatch(/ at .*\.ts/);
  });

  it('answers a body that is not JSON with 400, and ten megabytes of it with 413', async () => {
    const bad = await server.call('POST', '/v1/chat/completions', '{"model":');
    expect(bad.status).toBe(400);
    expect(await bad.json()).toMatchObject({ error: { type: 'invalid_request_error' } });
    const big = await server.call('POST', '/v1/chat/completions', `{"pad":"${'x'.repeat(10 * 2 ** 20)}"}`);
    expect(big.status).toBe(413);
  });

  it('goes on serving after a client has left in the middle of a stream', async () => {
    for (let i = 0; i < 20; i++) {
      const stream = await server.openai().chat.completions.create({
        model: 'patchbay/tiny',
        messages: [{ role: 'user', content: 'Hello!' }],
        logit_bias: { '4': -100 }, // never ends by itself
        stream: true,
      });
      for await (const _chunk of stream) break;
      stream.controller.abort();
    }
    expect((await ask('patchbay/sql')).choices[0]?.message.content).toBe(answer);
  });
});

describe('the adapters that ship', () => {
  const Verified = z.looseObject({
    digest: z.string(),
    verification: z.looseObject({
      problems: z.array(z.unknown()),
      findings: Findings,
    }),
  });

  it('are verified again to what they were verified to be', { timeout: 120_000 }, async () => {
    const route = '/api/adapters/patchbay/sql/versions/1';
    const shipped = JSON.parse(await readFile(join(sqlFolder, 'verdict.json'), 'utf8'));
    const read = async () => Verified.parse(await (await server.call('GET', route)).json());
    const before = await read();
    expect(before).toMatchObject({ digest: shipped.digest, verification: shipped.verdict });
    expect((await server.call('POST', `${route}/verifications`)).status).toBe(202);
    await expect
      .poll(async () => (await (await server.call('GET', `${route}/verifications`)).json()).verifications, {
        timeout: 100_000,
      })
      .toMatchObject([{ status: 'passed' }, { status: 'passed' }]);
    const { problems, findings } = (await read()).verification;
    expect(problems).toEqual([]);
    const { loss, accuracy } = findings.evaluation!;
    const expected = before.verification.findings.evaluation!;
    expect(loss.adapter).toBeCloseTo(expected.loss.adapter, 3);
    expect(loss.base).toBeCloseTo(expected.loss.base, 3);
    expect(accuracy.adapter.value).toBeCloseTo(expected.accuracy.adapter.value, 1);
    expect(findings.spectrum.map(({ rankFor99 }) => rankFor99)).toEqual(
      before.verification.findings.spectrum.map(({ rankFor99 }) => rankFor99),
    );
  });
});

describe('keys', () => {
  it('are needed, and checked for their scope', async () => {
    expect((await failure(ask('patchbay/sql', {}, server.openai('pb_wrong')))).status).toBe(401);
    expect((await server.call('POST', '/v1/chat/completions', {}, '')).status).toBe(401);
    const made = z
      .object({ id: z.string(), key: z.string() })
      .parse(await (await server.call('POST', '/api/keys', { name: 'reader', scopes: ['read'] })).json());
    expect((await failure(ask('patchbay/sql', {}, server.openai(made.key)))).status).toBe(403);
    expect((await server.call('POST', '/api/adapters/a/b/versions', {}, made.key)).status).toBe(403);
  });

  it('are refused at once when they are revoked', async () => {
    const made = z
      .object({ id: z.string(), key: z.string() })
      .parse(await (await server.call('POST', '/api/keys', { name: 'short', scopes: ['infer'] })).json());
    expect((await ask('patchbay/sql', { max_tokens: 1 }, server.openai(made.key))).choices).toHaveLength(1);
    expect((await server.call('DELETE', `/api/keys/${made.id}`)).status).toBe(204);
    expect((await failure(ask('patchbay/sql', {}, server.openai(made.key)))).status).toBe(401);
  });
});

describe('publishing with the command', () => {
  it('publishes a folder, finds it, invokes it, and takes it away again byte for byte', async () => {
    const published = await server.cli('--json', 'publish', sqlFolder, '--as', 'alice/my-sql');
    expect(published.stderr).toBe('');
    expect(published.code).toBe(0);
    expect(JSON.parse(published.stdout)).toMatchObject({
      created: true,
      version: { reference: 'alice/my-sql@1' },
    });

    const found = await server.cli('--json', 'search', 'my-sql');
    expect(JSON.parse(found.stdout).adapters[0].id).toBe('alice/my-sql');
    expect((await ask('alice/my-sql@1')).choices[0]?.message.content).toBe(answer);
    const chatted = await server.cli('chat', 'alice/my-sql', '-m', question, '--temperature', '0');
    expect(chatted.stdout.trim()).toBe(answer);

    const target = join(work, 'pulled');
    expect((await server.cli('pull', 'alice/my-sql', target)).code).toBe(0);
    for (const name of ['adapter_config.json', 'adapter_model.safetensors', 'README.md']) {
      const digest = async (folder: string) =>
        createHash('sha256')
          .update(await readFile(join(folder, name)))
          .digest('hex');
      expect(await digest(target)).toBe(await digest(sqlFolder));
    }
  });

  it('publishes for oneself alone, withdraws, and tells what was used', async () => {
    const folder = join(work, 'hidden');
    await cp(sqlFolder, folder, { recursive: true });
    await writeFile(join(folder, 'README.md'), '# Hidden\n');
    const asked = { name: 'ci', scopes: ['publish'] };
    const { key } = (await (await server.call('POST', '/api/keys', asked)).json()) as { key: string };
    const ci = new TestClient(server.folder, server.url, key);
    const published = await ci.cli('publish', folder, '--as', 'admin/hidden', '--private');
    expect(published.stdout).toContain('published admin/hidden@1');
    const others = { url: server.url, key: '' };
    expect((await fetch(`${others.url}/api/adapters/admin/hidden`)).status).toBe(404);
    expect((await server.cli('show', 'admin/hidden')).stdout).toContain('Hidden');
    expect((await server.cli('search', '--sort', 'newest', '--warm', '--owner', 'admin')).stdout).toContain(
      'admin/hidden@1',
    );
    expect((await server.cli('withdraw', 'admin/hidden')).code).toBe(2);
    expect((await server.cli('withdraw', 'admin/hidden@1')).stdout).toContain('withdrawn: admin/hidden@1');
    expect((await server.cli('chat', 'admin/hidden', '-m', 'Hi')).code).not.toBe(0);
    const usage = await server.cli('usage');
    expect(usage.stdout).toMatch(/^admin in \d{4}-\d{2}: 0\.0000 USD/);
    expect(usage.stdout).toContain('patchbay/sql');
  });

  it('sends a configuration that names the base as it is called here, and says so', async () => {
    const folder = join(work, 'renamed');
    await cp(sqlFolder, folder, { recursive: true });
    const file = join(folder, 'adapter_config.json');
    const text = JSON.stringify({
      ...JSON.parse(await readFile(file, 'utf8')),
      base_model_name_or_path: '/home/me/tiny',
    });
    await writeFile(file, text);
    const published = await server.cli('publish', folder, '--as', 'alice/renamed', '--base', 'patchbay/tiny');
    expect(published.stdout).toContain('published alice/renamed@1');
    expect(published.stderr).toContain('names the base /home/me/tiny: it is sent with patchbay/tiny');
    expect(await readFile(file, 'utf8')).toBe(text);
    const target = join(work, 'renamed-pulled');
    expect((await server.cli('pull', 'alice/renamed', target)).code).toBe(0);
    expect(JSON.parse(await readFile(join(target, 'adapter_config.json'), 'utf8'))).toEqual({
      ...JSON.parse(text),
      base_model_name_or_path: 'patchbay/tiny',
      ...('revision' in JSON.parse(text) ? { revision: null } : {}),
    });
  });

  it('says that the same content is there already', async () => {
    const again = await server.cli('--json', 'publish', sqlFolder, '--as', 'alice/my-sql');
    expect(JSON.parse(again.stdout)).toMatchObject({ created: false, version: { number: 1 } });
  });

  it('refuses a truncated file and a wrong field by name, and lists nothing', async () => {
    const broken = join(work, 'broken');
    await cp(sqlFolder, broken, { recursive: true });
    const weights = await readFile(join(broken, 'adapter_model.safetensors'));
    await writeFile(join(broken, 'adapter_model.safetensors'), weights.subarray(0, weights.length - 10));
    const truncated = await server.cli('publish', broken, '--as', 'alice/broken');
    expect(truncated.code).toBe(5);
    expect(truncated.stderr).toMatch(/truncated/);

    await cp(sqlFolder, broken, { recursive: true });
    const config = JSON.parse(await readFile(join(broken, 'adapter_config.json'), 'utf8'));
    await writeFile(join(broken, 'adapter_config.json'), JSON.stringify({ ...config, use_dora: true }));
    const dora = await server.cli('publish', broken, '--as', 'alice/broken');
    expect(dora.code).toBe(5);
    expect(dora.stderr).toMatch(/use_dora/);
    expect((await server.call('GET', '/api/adapters/alice/broken')).status).toBe(404);
  });

  it('refuses bytes that are not what was declared', async () => {
    const bytes = await readFile(join(sqlFolder, 'adapter_config.json'));
    const weights = await readFile(join(sqlFolder, 'adapter_model.safetensors'));
    const sha256 = (content: Uint8Array) => createHash('sha256').update(content).digest('hex');
    const files = [
      { path: 'adapter_config.json', size: bytes.length, sha256: sha256(Buffer.from('other')) },
      { path: 'adapter_model.safetensors', size: weights.length, sha256: sha256(weights) },
    ];
    const draft = await (
      await server.call('POST', '/api/adapters/alice/forged/versions', { base: 'patchbay/tiny', files })
    ).json();
    const config = (draft as { files: { path: string; parts: { url: string }[] }[] }).files.find(
      ({ path }) => path === 'adapter_config.json',
    );
    await fetch(config!.parts[0]!.url, { method: 'PUT', body: new Uint8Array(bytes) });
    const done = await server.call('POST', `/api/drafts/${(draft as { id: string }).id}/complete`);
    expect(done.status).toBe(422);
    expect(await done.json()).toMatchObject({
      problems: [{ code: 'checksum_mismatch', field: 'adapter_config.json' }],
    });
    expect((await server.call('GET', '/api/adapters/alice/forged')).status).toBe(404);
  });
});

describe('stopping and starting again', () => {
  it('prints one line, keeps everything, and shows the key only once', async () => {
    expect(server.stdout).toMatch(/^ready http:\/\/127\.0\.0\.1:\d+ key pb_\w+\n$/);
    expect(await server.stop('SIGINT')).toBe(0);
    await server.start();
    expect(server.stdout).toMatch(/^ready http:\/\/127\.0\.0\.1:\d+\n$/);
    expect((await ask('alice/my-sql')).choices[0]?.message.content).toBe(answer);
  });

  it('comes back after it was killed, and so does its runner', async () => {
    await server.stop('SIGKILL');
    await server.start();
    expect((await ask('patchbay/sql')).choices[0]?.message.content).toBe(answer);
    const listening = server.log
      .split('\n')
      .filter((line) => line.includes('"name":"runner"') && line.includes('"listening"'));
    process.kill(JSON.parse(listening.at(-1)!).pid, 'SIGKILL');
    await expect
      .poll(
        () =>
          ask('patchbay/sql').then(
            ({ choices }) => choices[0]?.message.content,
            () => undefined,
          ),
        { timeout: 30_000 },
      )
      .toBe(answer);
  });

  it('says plainly that a folder is in use', async () => {
    const { TestServer: Another } = await import('./harness.ts');
    await expect(Another.start({ PATCHBAY_DATA: server.folder })).rejects.toThrow(/in use by process \d+/);
  });
});
