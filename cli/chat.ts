/** `patchbay chat`: one answer with -m, else a conversation. */
import { createInterface } from 'node:readline/promises';
import { z } from 'zod';
import { brokeOff, type Client } from './client.ts';
import { CliError, EXIT } from './errors.ts';
import { number } from './options.ts';
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

/** Ctrl-C ends an answer, and otherwise the conversation. A server that is away for a moment ends neither. */
async function converse(
  client: Client,
  model: string,
  system: readonly Message[],
  options: ChatOptions,
): Promise<void> {
  note(`Chatting with ${model}. An empty line or Ctrl-D ends it.`);
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  let answering: AbortController | undefined;
  terminal.on('SIGINT', () => (answering ? answering.abort() : terminal.close()));
  const messages: Message[] = [...system];
  terminal.setPrompt('> ');
  terminal.prompt();
  try {
    for await (const line of terminal) {
      const text = line.trim();
      if (!text) break;
      const question: Message = { role: 'user', content: text };
      answering = new AbortController();
      let answer = '';
      try {
        await ask(
          client,
          model,
          [...messages, question],
          options,
          (part) => {
            answer += part;
            process.stdout.write(printable(part));
          },
          answering.signal,
        );
      } catch (error) {
        if (!answering.signal.aborted) note(`${answer && '\n'}patchbay: ${whyAway(error)}`);
      }
      answering = undefined;
      print('');
      // What was said of an answer that was ended is part of the conversation.
      if (answer) messages.push(question, { role: 'assistant', content: answer });
      terminal.prompt();
    }
  } finally {
    terminal.close();
  }
}

/** @throws what asking again does not mend */
function whyAway(error: unknown): string {
  if (error instanceof CliError && error.exitCode === EXIT.unavailable)
    return `${error.message}\nAsk again in a moment.`;
  throw error;
}

async function ask(
  client: Client,
  model: string,
  messages: readonly Message[],
  { temperature, maxTokens, seed }: ChatOptions,
  show: ((text: string) => void) | undefined,
  signal?: AbortSignal,
): Promise<string> {
  const numbers = {
    temperature: number('--temperature', temperature),
    max_tokens: number('--max-tokens', maxTokens),
    seed: number('--seed', seed),
  };
  const body = { model, messages, stream: true, ...numbers };
  const response = await client.send('POST', '/v1/chat/completions', body, signal);
  let answer = '';
  for await (const chunk of serverSentEvents(response)) {
    if (chunk.error) throw new CliError(EXIT.unavailable, chunk.error.message);
    const text = chunk.choices[0]?.delta.content ?? '';
    answer += text;
    show?.(text);
  }
  return answer;
}

/** @throws CliError unavailable, where it ends before it is complete */
async function* serverSentEvents(response: Response): AsyncGenerator<z.infer<typeof Chunk>> {
  let rest = '';
  try {
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
  } catch (error) {
    if (error instanceof TypeError) throw brokeOff(); // how `fetch` says that the connection did
    throw error;
  }
  throw brokeOff();
}

async function readAll(): Promise<string> {
  let text = '';
  for await (const chunk of process.stdin) text += chunk;
  return text;
}
