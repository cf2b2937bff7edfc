/** The other side of chat-template.ts: renders one template after the other. */
import { parentPort } from 'node:worker_threads';
import { Environment, Interpreter, Template } from '@huggingface/jinja';
import { MAX_RENDERED_LENGTH, type RenderReply, type TemplateInput } from './chat-template.ts';

/** What a template throws at people through `raise_exception`. */
class Refusal extends Error {}

parentPort?.on('message', (input: TemplateInput) => {
  parentPort?.postMessage(render(input));
});

function render({ template, messages, specials }: TemplateInput): RenderReply {
  try {
    const rendered = new Interpreter(environment({ ...specials, messages })).run(
      new Template(template).parsed,
    ).value;
    if (typeof rendered !== 'string') return { error: 'the chat template made no text' };
    if (rendered.length > MAX_RENDERED_LENGTH)
      return { error: `the rendered prompt is longer than ${MAX_RENDERED_LENGTH} characters` };
    return { rendered };
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    return { error: error instanceof Refusal ? detail : `the chat template failed: ${detail}` };
  }
}

/** `range` may fill a list no longer than this; conversations are far shorter. */
const MAX_RANGE = 100_000;

/**
 * What a template finds: the names of transformers' `apply_chat_template`. The library's own set cannot be replaced in
 * part, and its `strftime_now` speaks the language of the machine.
 */
function environment(input: Record<string, unknown>): Environment {
  const found = new Environment();
  const names = {
    true: true,
    True: true,
    false: false,
    False: false,
    none: null,
    None: null,
    range,
    raise_exception: (message: unknown) => {
      throw new Refusal(String(message));
    },
    strftime_now: (format: string) => strftime(format, new Date()),
    add_generation_prompt: true,
    // Templates ask `tools is not none`: they are always there.
    tools: null,
    documents: null,
    ...input,
  };
  for (const [name, value] of Object.entries(names)) found.set(name, value);
  return found;
}

function range(first: number, second?: number, step = 1): number[] {
  const [start, stop] = second === undefined ? [0, first] : [first, second];
  const length = Math.max(0, Math.ceil((stop - start) / step));
  if (!(length <= MAX_RANGE)) throw new Error(`range() is longer than ${MAX_RANGE}, or its step is 0`);
  return Array.from({ length }, (_, i) => start + i * step);
}

/** The few conversions that templates use to write today's date. */
function strftime(format: string, now: Date): string {
  const part = (options: Intl.DateTimeFormatOptions) => new Intl.DateTimeFormat('en-US', options).format(now);
  const two = (value: number) => String(value).padStart(2, '0');
  const parts: Record<string, string> = {
    d: two(now.getDate()),
    m: two(now.getMonth() + 1),
    Y: String(now.getFullYear()),
    y: two(now.getFullYear() % 100),
    b: part({ month: 'short' }),
    B: part({ month: 'long' }),
    a: part({ weekday: 'short' }),
    A: part({ weekday: 'long' }),
    H: two(now.getHours()),
    M: two(now.getMinutes()),
    S: two(now.getSeconds()),
    '%': '%',
  };
  return format.replace(/%(.)/g, (whole, key: string) => parts[key] ?? whole);
}
