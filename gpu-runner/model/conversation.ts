/** A conversation as its model reads it: with the checkpoint's own template, in which nobody can forge a turn. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ChatMessage } from '../../functions/generate.ts';
import { renderChat, TemplateError, type TemplateInput } from './chat-template.ts';
import { Tokenizer } from './tokenizer.ts';

/** @param folder of the checkpoint */
export async function openTokenizer(folder: string): Promise<Tokenizer> {
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

/** @returns text for `Tokenizer.encodeRendered`. @throws TemplateError */
export function renderConversation(
  tokenizer: Tokenizer,
  messages: readonly ChatMessage[],
  settings: Pick<TemplateInput, 'now' | 'addGenerationPrompt'>,
): string {
  const { chatTemplate: template, specials } = tokenizer;
  if (!template) throw new TemplateError('This base has no chat template; use /v1/completions.');
  const safe = messages.map(({ name, content, ...message }) => ({
    ...message,
    content: tokenizer.defuse(content),
    ...(name === undefined ? {} : { name: tokenizer.defuse(name) }),
  }));
  return renderChat({ template, messages: safe, specials, ...settings });
}
