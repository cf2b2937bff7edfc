import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { MAX_TEMPLATE_LENGTH, renderChat } from './chat-template.ts';

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

const now = new Date(2026, 6, 4, 9, 5);

describe('chat templates render as in transformers', () => {
  it.each(references)('$label', ({ template, bosToken, eosToken, messages, context, expected, error }) => {
    const tokens = { ...(bosToken && { bos_token: bosToken }), ...(eosToken && { eos_token: eosToken }) };
    const specials = { ...tokens, ...(context as Record<string, string>) };
    const render = () =>
      renderChat({ template: templateOf(template), messages, specials, now, addGenerationPrompt: true });
    if (error === undefined) expect(render()).toBe(expected);
    else expect(render).toThrow(error);
  });
});

describe('a template is a stranger’s program', () => {
  const render = (template: string) =>
    renderChat({ template, messages: HELLO, specials: {}, now, addGenerationPrompt: true });

  it('is told today’s date in English', () => {
    expect(render('{{ strftime_now("%A, %-d %B %Y, %d/%m/%y %-H:%M %b %a %%%q") }}')).toBe(
      'Saturday, 4 July 2026, 04/07/26 9:05 Jul Sat %%q',
    );
  });

  it('finds that there are no tools, rather than nothing under that name', () => {
    expect(render('{{ "tools" if tools is not none else "none" }}')).toBe('none');
  });

  it('counts as Python does', () => {
    expect(
      render('{{ range(3) | join(",") }} {{ range(5, 0, -2) | join(",") }} {{ range(2, 2) | length }}'),
    ).toBe('0,1,2 5,3,1 0');
  });

  it.each([
    ['{{ range(1, 5, 0) }}', /range/],
    ['{{ range(1000000000) | length }}', /range/],
    ['{% for x in %}', /the chat template failed/],
    ['{{ raise_exception("only one turn") }}', /^only one turn$/],
  ])('fails with a reason: %s', (template, reason) => {
    expect(() => render(template)).toThrow(reason);
  });

  it('cannot reach beyond what it is given', () => {
    expect(() => render('{{ messages.constructor.constructor("return process")() }}')).toThrow();
    expect(render('{{ process is defined }} {{ globalThis is defined }}')).toBe('false false');
  });

  it('may not be endless', () => {
    expect(() => render(' '.repeat(MAX_TEMPLATE_LENGTH + 1))).toThrow(/longer than/);
  });
});
