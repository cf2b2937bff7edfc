/** The other side of prompts.ts: renders and tokenises one prompt after the other. */
import { parentPort, workerData } from 'node:worker_threads';
import type { ChatMessage } from '../../functions/generate.ts';
import { Fault } from '../faults.ts';
import { TemplateError } from './chat-template.ts';
import { openTokenizer, renderConversation } from './conversation.ts';
import type { FromPromptWorker, PromptSettings, TextPrompt } from './prompts.ts';
import type { Tokenizer } from './tokenizer.ts';

const port = parentPort!;
const { folder, maxCharacters } = workerData as PromptSettings;
const say = (message: FromPromptWorker): void => port.postMessage(message);

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
  try {
    return renderConversation(tokenizer, messages, { now: new Date(), addGenerationPrompt: true });
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
  const tokenizer = await openTokenizer(folder);
  port.on('message', (prompt: TextPrompt) => say(reply(tokenizer, prompt)));
  say({ type: 'ready' });
} catch (error) {
  const detail = `the tokenizer cannot be read: ${(error as Error).message}`;
  say({ type: 'refused', code: 'base_unsupported', detail });
}
