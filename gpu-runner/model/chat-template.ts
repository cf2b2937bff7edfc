/**
 * Chat templates: Jinja programs that turn a conversation into a prompt, written by whoever made the checkpoint. They run
 * where they can be ended (prompt-worker.ts), and find the names of transformers' `apply_chat_template`.
 */
import { Environment, Interpreter, Template } from '@huggingface/jinja';
import type { ChatMessage } from '../../functions/generate.ts';

/** The longest template of a well-known model is about 15 kB. */
export const MAX_TEMPLATE_LENGTH = 128 * 1024;
/** `range` may fill a list no longer than this; conversations are far shorter. */
const MAX_RANGE = 100_000;

/** The template refused the conversation (its own words), or failed. */
export class TemplateError extends Error {
  override readonly name = 'TemplateError';
}

export interface TemplateInput {
  readonly template: string;
  readonly messages: readonly ChatMessage[];
  /** bos_token and its like. */
  readonly specials: Readonly<Record<string, string>>;
  readonly now: Date;
  /** Whether the beginning of the next answer is written too: to be answered, not to be read. */
  readonly addGenerationPrompt: boolean;
}

/** @throws TemplateError */
export function renderChat(input: TemplateInput): string {
  if (input.template.length > MAX_TEMPLATE_LENGTH)
    throw new TemplateError(`the chat template is longer than ${MAX_TEMPLATE_LENGTH} characters`);
  try {
    const { parsed } = new Template(input.template);
    const rendered = new Interpreter(environment(input)).run(parsed).value;
    if (typeof rendered === 'string') return rendered;
  } catch (error) {
    if (error instanceof TemplateError) throw error;
    const detail = error instanceof Error ? error.message : String(error);
    throw new TemplateError(`the chat template failed: ${detail}`);
  }
  throw new TemplateError('the chat template made no text');
}

/** The library's own set of names cannot be replaced in part, and its `strftime_now` speaks the machine's language. */
function environment({ messages, specials, now, addGenerationPrompt }: TemplateInput): Environment {
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
      throw new TemplateError(String(message));
    },
    strftime_now: (format: string) => strftime(format, now),
    add_generation_prompt: addGenerationPrompt,
    // Templates ask `tools is not none`: they are always there.
    tools: null,
    documents: null,
    ...specials,
    messages,
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

/** The few conversions that templates use to write today's date. `%-d` is `%d` without its leading zero. */
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
  return format.replace(/%(-?)(.)/g, (whole, bare: string, key: string) => {
    const text = parts[key];
    return text === undefined ? whole : bare ? text.replace(/^0(?=.)/, '') : text;
  });
}
