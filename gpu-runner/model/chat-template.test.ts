import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { ChatTemplates, MAX_TEMPLATE_LENGTH } from './chat-template.ts';

interface Reference {
  template: string;
  bosToken: string | null;
  eosToken: string | null;
  messages: { role: 'system' | 'user' | 'assistant'; content: string }[];
  tools: unknown;
  addGenerationPrompt: boolean;
  context: Record<string, unknown>;
  expected?: string;
  error?: string;
}

const FIXTURES = new URL('../../test/fixtures/parity/', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, FIXTURES), 'utf8');
const templateOf = (name: string) => read(`templates/${name}.jinja`).replace(/\n$/, '');

const references = (JSON.parse(read('template-reference.json')) as Reference[])
  // What a chat completion can ask for: no tools, an answer to come, no settings but a date.
  .filter(
    ({ tools, addGenerationPrompt, context }) =>
      !tools && addGenerationPrompt && !('enable_thinking' in context),
  )
  .map((reference, index) => ({ ...reference, label: `${reference.template} ${index}` }));

const HELLO = [{ role: 'user' as const, content: 'hello' }];

const templates = new ChatTemplates();
afterAll(() => templates.close());

describe('chat templates render as in transformers', () => {
  it.each(references)(
    '$label',
    async ({ template, bosToken, eosToken, messages, context, expected, error }) => {
      const tokens = { ...(bosToken && { bos_token: bosToken }), ...(eosToken && { eos_token: eosToken }) };
      const specials = { ...tokens, ...(context as Record<string, string>) };
      const rendered = templates.render({ template: templateOf(template), messages, specials });
      if (error === undefined) expect(await rendered).toBe(expected);
      else await expect(rendered).rejects.toThrow(error);
    },
  );
});

describe('a template is a stranger’s program', () => {
  const render = (template: string) => templates.render({ template, messages: HELLO, specials: {} });

  it('is told today’s date in English', async () => {
    const [month, year] = (await render('{{ strftime_now("%B %Y") }}')).split(' ');
    const now = new Date();
    expect(Number(year)).toBe(now.getFullYear());
    expect(month).toBe(now.toLocaleString('en-US', { month: 'long' }));
  });

  it('finds that there are no tools, rather than nothing under that name', async () => {
    expect(await render('{{ "tools" if tools is not none else "none" }}')).toBe('none');
  });

  it('counts as Python does', async () => {
    expect(
      await render('{{ range(3) | join(",") }} {{ range(5, 0, -2) | join(",") }} {{ range(2, 2) | length }}'),
    ).toBe('0,1,2 5,3,1 0');
  });

  it.each([
    ['{{ range(1, 5, 0) }}', /range/],
    ['{{ range(1000000000) | length }}', /range/],
    ['{% for x in %}', /the chat template failed/],
    ['{{ raise_exception("only one turn") }}', /^only one turn$/],
  ])('fails with a reason: %s', async (template, reason) => {
    await expect(render(template)).rejects.toThrow(reason);
  });

  it('cannot reach beyond what it is given', async () => {
    await expect(render('{{ messages.constructor.constructor("return process")() }}')).rejects.toThrow();
    expect(await render('{{ process is defined }} {{ globalThis is defined }}')).toBe('false false');
  });

  it('may not be endless', async () => {
    await expect(render(' '.repeat(MAX_TEMPLATE_LENGTH + 1))).rejects.toThrow(/longer than/);
  });

  it('is ended when it takes too long or too much, and the next one renders', async () => {
    const impatient = new ChatTemplates(300);
    const ask = (template: string) => impatient.render({ template, messages: HELLO, specials: {} });
    const turns = '{% for i in range(100000) %}';
    const endless = `${turns}${turns}{% endfor %}{% endfor %}`;
    await expect(ask(endless)).rejects.toThrow(/did not finish within 0.3 s/);
    expect(await ask('{{ messages[0].content }}')).toBe('hello');
    await impatient.close();

    const growing =
      '{% set n = namespace(text="0123456789abcdef") %}{% for i in range(40) %}{% set n.text = n.text ~ n.text %}{% endfor %}';
    await expect(render(growing)).rejects.toThrow(/chat template/);
    expect(await render('{{ messages[0].content }}')).toBe('hello');
  });

  it('renders for many at once, each their own', async () => {
    const asked = Array.from({ length: 20 }, (_, i) =>
      templates.render({
        template: '{{ messages[0].content }}',
        messages: [{ role: 'user', content: `${i}` }],
        specials: {},
      }),
    );
    expect(await Promise.all(asked)).toEqual(asked.map((_, i) => `${i}`));
  });
});
