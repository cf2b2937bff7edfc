/** The other side of prompts.ts: renders and tokenises one prompt after the other. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import type { ChatMessage } from '../../functions/generate.ts';
import { Fault } from '../faults.ts';
import { renderChat, TemplateError } from './chat-template.ts';
import type { FromPromptWorker, PromptSettings, TextPrompt } from './prompts.ts';
import { Tokenizer } from './tokenizer.ts';

const port = parentPort!;
const { folder, maxCharacters } = workerData as PromptSettings;
const say = (message: FromPromptWorker): void => port.postMessage(message);

async function openTokenizer(): Promise<Tokenizer> {
  const read = (name: string) => readFile(join(folder, name), 'utf8');
  const template = await read('chat_template.jinja').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
    return undefined;
  });
  return new Tokenizer(
    JSON.parse(await read('tokenizer.json')),
    JSON.parse(await read('tokenizer_config.json')),
    template,
  );
}

function encode(tokenizer: Tokenizer, prompt: TextPrompt): number[] {
  if (prompt.kind === 'text') return tokenizer.encodeText(prompt.text);
  const rendered = render(tokenizer, prompt.messages);
  if (rendered.length > maxCharacters)
    throw new Fault(
      'context_length_exceeded',
      `The conversation has ${rendered.length} characters as the chat template writes it; at most ${maxCharacters} are read.`,
      'messages',
    );
  return tokenizer.encodeRendered(rendered);
}

function render(tokenizer: Tokenizer, messages: readonly ChatMessage[]): string {
  const { chatTemplate: template, specials } = tokenizer;
  if (!template)
    throw new Fault('template_failed', 'This base has no chat template; use /v1/completions.', 'messages');
  const safe = messages.map(({ name, content, ...message }) => ({
    ...message,
    content: tokenizer.defuse(content),
    ...(name === undefined ? {} : { name: tokenizer.defuse(name) }),
  }));
  try {
    return renderChat({ template, messages: safe, specials, now: new Date() });
  } catch (error) {
    if (error instanceof TemplateError) throw new Fault('template_failed', error.message, 'messages');
    throw error;
  }
}

function reply(tokenizer: Tokenizer, prompt: TextPrompt): FromPromptWorker {
  try {
    return { type: 'tokens', tokens: encode(tokenizer, prompt) };
  } catch (error) {
    if (error instanceof Fault)
      return {
        type: 'refused',
        code: error.code,
        detail: error.message,
        ...(error.field === undefined ? {} : { field: error.field }),
      };
    const { message, stack } = error as Error;
    return {
      type: 'refused',
      code: 'internal',
      detail: 'the prompt could not be read',
      stack: stack ?? message,
    };
  }
}

try {
  const tokenizer = await openTokenizer();
  port.on('message', (prompt: TextPrompt) => say(reply(tokenizer, prompt)));
  say({ type: 'ready' });
} catch (error) {
  const detail = `the tokenizer cannot be read: ${(error as Error).message}`;
  say({ type: 'refused', code: 'base_unsupported', detail });
}
