/** `patchbay chat`: one answer with -m, else a conversation. */
import { createInterface } from 'node:readline/promises';
import { z } from 'zod';
import type { Client } from './client.ts';
import { CliError, EXIT } from './errors.ts';
import { note, type Output, print, printable } from './output.ts';

interface Message {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

export interface ChatOptions {
  readonly message?: string;
  readonly system?: string;
  readonly temperature?: string;
  readonly maxTokens?: string;
  readonly seed?: string;
}

const Chunk = z.looseObject({
  choices: z.array(z.looseObject({ delta: z.looseObject({ content: z.string().nullish() }) })).default([]),
  error: z.object({ message: z.string() }).optional(),
});

export async function chat(
  client: Client,
  output: Output,
  model: string,
  options: ChatOptions,
): Promise<void> {
  const system: Message[] = options.system ? [{ role: 'system', content: options.system }] : [];
  const message = options.message ?? (process.stdin.isTTY ? undefined : (await readAll()).trim());
  if (message !== undefined) {
    const answer = await ask(
      client,
      model,
      [...system, { role: 'user', content: message }],
      options,
      output.json ? undefined : (text) => process.stdout.write(printable(text)),
    );
    print(output.json ? JSON.stringify({ model, answer }) : '');
    return;
  }
  await converse(client, model, system, options);
}

async function converse(
  client: Client,
  model: string,
  system: readonly Message[],
  options: ChatOptions,
): Promise<void> {
  note(`Chatting with ${model}. An empty line or Ctrl-D ends it.`);
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const messages: Message[] = [...system];
  terminal.setPrompt('> ');
  terminal.prompt();
  try {
    for await (const line of terminal) {
      const text = line.trim();
      if (!text) break;
      messages.push({ role: 'user', content: text });
      const answer = await ask(client, model, messages, options, (part) =>
        process.stdout.write(printable(part)),
      );
      print('');
      messages.push({ role: 'assistant', content: answer });
      terminal.prompt();
    }
  } finally {
    terminal.close();
  }
}

async function ask(
  client: Client,
  model: string,
  messages: readonly Message[],
  { temperature, maxTokens, seed }: ChatOptions,
  show: ((text: string) => void) | undefined,
): Promise<string> {
  const numbers = {
    temperature: number('temperature', temperature),
    max_tokens: number('max-tokens', maxTokens),
    seed: number('seed', seed),
  };
  const response = await client.send('POST', '/v1/chat/completions', {
    model,
    messages,
    stream: true,
    ...numbers,
  });
  let answer = '';
  for await (const chunk of serverSentEvents(response)) {
    if (chunk.error) throw new CliError(EXIT.unavailable, chunk.error.message);
    const text = chunk.choices[0]?.delta.content ?? '';
    answer += text;
    show?.(text);
  }
  return answer;
}

function number(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (Number.isNaN(value)) throw new CliError(EXIT.usage, `--${name} ${text} is not a number`);
  return value;
}

async function* serverSentEvents(response: Response): AsyncGenerator<z.infer<typeof Chunk>> {
  let rest = '';
  for await (const text of response.body!.pipeThrough(
    new TextDecoderStream() as TransformStream<Uint8Array, string>,
  )) {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line === 'data: [DONE]') return;
      if (!line.startsWith('data: ')) continue;
      yield Chunk.parse(JSON.parse(line.slice('data: '.length)));
    }
  }
  throw new CliError(EXIT.unavailable, 'the answer broke off', 'Try again in a moment.');
}

async function readAll(): Promise<string> {
  let text = '';
  for await (const chunk of process.stdin) text += chunk;
  return text;
}
