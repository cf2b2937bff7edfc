/** A conversation on a terminal, as far as streams can be one. */
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { chat } from './chat.ts';
import { Client } from './client.ts';
import { EXIT } from './errors.ts';

const CTRL_C = '\u0003';

let server: Server;
/** What was asked so far, and how the next is answered. */
let asked: { role: string; content: string }[][];
let answer: (response: ServerResponse) => void;
let keyboard: PassThrough;
let screen: string;

beforeEach(async () => {
  asked = [];
  screen = '';
  keyboard = Object.assign(new PassThrough(), { isTTY: true, setRawMode: () => undefined });
  const stdout = Object.assign(new PassThrough(), { isTTY: true, columns: 80 });
  stdout.on('data', (text) => (screen += text));
  vi.spyOn(process, 'stdin', 'get').mockReturnValue(keyboard as unknown as typeof process.stdin);
  vi.spyOn(process, 'stdout', 'get').mockReturnValue(stdout as unknown as typeof process.stdout);
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => (screen += text).length > 0);
  server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    asked.push(JSON.parse(body).messages);
    answer(response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterEach(() => {
  vi.restoreAllMocks();
  server.closeAllConnections();
  server.close();
});

const say = (response: ServerResponse, text: string) =>
  response.write(`data: ${JSON.stringify({ choices: [{ delta: { content: text } }] })}\n\n`);
const whole = (response: ServerResponse) => {
  say(response, 'Yes.');
  response.end('data: [DONE]\n\n');
};
const begin = () => {
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return chat(new Client({ url, key: undefined }), { json: false, isTerminal: true }, 'alice/sql', {});
};
const shows = (text: string) => vi.waitFor(() => expect(screen).toContain(text));
const type = (text: string) => {
  screen = '';
  keyboard.write(text);
};

it('goes on after an answer that Ctrl-C ended, of which it knows', async () => {
  answer = (response) => say(response, 'It is');
  const over = begin();
  await shows('> ');
  type('One?\r');
  await shows('It is');
  type(CTRL_C);
  await shows('> ');
  answer = whole;
  type('Two?\r');
  await shows('Yes.');
  expect(asked[1]).toEqual([
    { role: 'user', content: 'One?' },
    { role: 'assistant', content: 'It is' },
    { role: 'user', content: 'Two?' },
  ]);
  await shows('> ');
  type(CTRL_C);
  await over;
});

it('outlives a server that is away for a moment', async () => {
  answer = whole;
  const over = begin();
  await shows('> ');
  type('One?\r');
  await shows('> ');
  answer = (response) =>
    response.writeHead(503).end(JSON.stringify({ error: { message: 'Not now.', code: 'unavailable' } }));
  type('Two?\r');
  await shows('patchbay: Not now.');
  await shows('> ');
  answer = whole;
  type('Two?\r');
  await shows('Yes.');
  expect(asked[2]!.map(({ content }) => content)).toEqual(['One?', 'Yes.', 'Two?']);
  await shows('> ');
  type('\r');
  await over;
});

it('ends where asking again is of no use', async () => {
  answer = (response) => response.writeHead(404).end('{}');
  const over = begin();
  await shows('> ');
  type('One?\r');
  await expect(over).rejects.toMatchObject({ exitCode: EXIT.notFound });
});
