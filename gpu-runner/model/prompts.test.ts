import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { Prompts } from './prompts.ts';

const FIXTURE = join(import.meta.dirname, '../../test/fixtures/parity/llama3');
const CONTEXT = 512;

let open: Prompts[] = [];
afterEach(async () => {
  await Promise.all(open.map((prompts) => prompts.close()));
  open = [];
});

/** A checkpoint folder whose chat template is this one. */
async function promptsWith(template?: string, timeoutMs?: number, contextLength = CONTEXT): Promise<Prompts> {
  const folder = await mkdtemp(join(tmpdir(), 'patchbay-prompts-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  for (const name of ['tokenizer.json', 'tokenizer_config.json'])
    await cp(join(FIXTURE, name), join(folder, name));
  if (template !== undefined) await writeFile(join(folder, 'chat_template.jinja'), template);
  const prompts = await Prompts.open(folder, contextLength, timeoutMs);
  open.push(prompts);
  return prompts;
}

const say = (content: string) => ({
  kind: 'messages' as const,
  messages: [{ role: 'user' as const, content }],
});
const CONTENT = '{{ messages[0].content }}';
const TURNS = '{% for i in range(100000) %}';

describe('prompts', () => {
  it('are tokenised for many at once, each their own', async () => {
    const prompts = await promptsWith(CONTENT);
    const asked = Array.from({ length: 20 }, (_, i) => prompts.encode(say(`${i}`)));
    const alone = await Promise.all(asked.map((_, i) => prompts.encode({ kind: 'text', text: `${i}` })));
    // A text prompt begins with what the tokenizer puts in front.
    expect(await Promise.all(asked)).toEqual(alone.map((tokens) => tokens.slice(1)));
  });

  it('are refused by their characters before anybody reads them', async () => {
    const prompts = await promptsWith(CONTENT);
    const long = 'a'.repeat(64 * CONTEXT + 1);
    await expect(prompts.encode({ kind: 'text', text: long })).rejects.toMatchObject({
      code: 'context_length_exceeded',
      field: 'prompt',
    });
    await expect(prompts.encode(say(long))).rejects.toMatchObject({
      code: 'context_length_exceeded',
      field: 'messages',
    });
  });

  it('are refused when the template makes too much of them', async () => {
    const prompts = await promptsWith(`${TURNS}${CONTENT}{% endfor %}`);
    await expect(prompts.encode(say('hello'))).rejects.toMatchObject({ code: 'context_length_exceeded' });
  });

  it('the template’s own refusal comes through, and its failures say what failed', async () => {
    await expect(
      (await promptsWith('{{ raise_exception("one turn only") }}')).encode(say('hello')),
    ).rejects.toMatchObject({
      code: 'template_failed',
      message: 'one turn only',
      field: 'messages',
    });
    await expect((await promptsWith('{% for x in %}')).encode(say('hello'))).rejects.toMatchObject({
      code: 'template_failed',
    });
  });

  it('a base without a template says so', async () => {
    const config = JSON.parse(await readFile(join(FIXTURE, 'tokenizer_config.json'), 'utf8'));
    expect(config.chat_template).toBeDefined();
    const folder = await mkdtemp(join(tmpdir(), 'patchbay-prompts-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    await cp(join(FIXTURE, 'tokenizer.json'), join(folder, 'tokenizer.json'));
    await writeFile(
      join(folder, 'tokenizer_config.json'),
      JSON.stringify({ ...config, chat_template: undefined }),
    );
    const prompts = await Prompts.open(folder, CONTEXT);
    open.push(prompts);
    await expect(prompts.encode(say('hello'))).rejects.toMatchObject({ code: 'template_failed' });
    expect(await prompts.encode({ kind: 'text', text: 'hello' })).not.toEqual([]);
  });

  it('a template that runs for ever is ended, and the next prompt is read', async () => {
    const prompts = await promptsWith(
      `{% if messages[0].content == "bomb" %}${TURNS}${TURNS}{% endfor %}{% endfor %}{% endif %}${CONTENT}`,
      500,
    );
    const [bomb, next] = await Promise.allSettled([
      prompts.encode(say('bomb')),
      prompts.encode(say('hello')),
    ]);
    expect(bomb).toMatchObject({
      reason: { code: 'template_failed', message: expect.stringMatching(/0.5 s/) },
    });
    expect(next).toMatchObject({ status: 'fulfilled' });
  });

  it('a template that eats memory is ended, and the next prompt is read', async () => {
    const prompts = await promptsWith(
      `{% if messages[0].content == "bomb" %}{% set n = namespace(all=[]) %}${TURNS}{% for j in range(1000) %}{% set n.all = n.all + [n.all, i ~ "padding padding padding"] %}{% endfor %}{% endfor %}{% endif %}${CONTENT}`,
      30_000,
    );
    await expect(prompts.encode(say('bomb'))).rejects.toMatchObject({ code: 'template_failed' });
    expect(await prompts.encode(say('hello'))).not.toEqual([]);
  });

  it('a string that doubles for ever fails', async () => {
    const prompts = await promptsWith(
      '{% set n = namespace(text="0123456789abcdef") %}{% for i in range(40) %}{% set n.text = n.text ~ n.text %}{% endfor %}{{ n.text }}',
    );
    await expect(prompts.encode(say('hello'))).rejects.toMatchObject({ code: 'template_failed' });
  });

  it('a tokenizer that cannot be read is the base’s fault', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'patchbay-prompts-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    await writeFile(join(folder, 'tokenizer.json'), '{"model": 7}');
    await writeFile(join(folder, 'tokenizer_config.json'), '{}');
    await expect(Prompts.open(folder, CONTEXT)).rejects.toMatchObject({ code: 'base_unsupported' });
  });
});
