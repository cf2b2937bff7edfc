/** The other side of chat-template.ts: renders one template after the other. */
import { parentPort } from 'node:worker_threads';
import { Template } from '@huggingface/jinja';
import { MAX_RENDERED_LENGTH, type RenderReply, type TemplateInput } from './chat-template.ts';

/** What a template throws at people through `raise_exception`. */
class Refusal extends Error {}

parentPort?.on('message', (input: TemplateInput) => {
  parentPort?.postMessage(render(input));
});

function render({ template, messages, specials }: TemplateInput): RenderReply {
  try {
    const rendered = new Template(template).render({
      ...specials,
      messages,
      add_generation_prompt: true,
      raise_exception: (message: string) => {
        throw new Refusal(message);
      },
      strftime_now: (format: string) => strftime(format, new Date()),
    });
    if (rendered.length > MAX_RENDERED_LENGTH)
      return { error: `the rendered prompt is longer than ${MAX_RENDERED_LENGTH} characters` };
    return { rendered };
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    return { error: error instanceof Refusal ? detail : `the chat template failed: ${detail}` };
  }
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
