/** The other side of grammars.ts. */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import type { CompiledGrammar, GrammarMatcher } from '@mlc-ai/web-xgrammar';
import { LRUCache } from 'lru-cache';
import { type AnswerSchema, readSchema } from '../../functions/answer-schema.ts';
import { readTokenTable } from '../model/token-table.ts';
import type { FromGrammarWorker, GrammarSettings, ToGrammarWorker } from './grammars.ts';
import { grammarOf } from './schema-grammar.ts';

/** What WebAssembly may have; Node's own limits do not count it. */
const MEMORY_BYTES = 512 * 2 ** 20;
const PAGE_BYTES = 65_536;
/** Compiled ones that are kept: the answers of a request share one, and programs ask for the same again and again. */
const KEPT = 16;

const port = parentPort!;
const { folder, vocabSize, endTokens } = workerData as GrammarSettings;
const say = (message: FromGrammarWorker, shared: ArrayBuffer[] = []): void =>
  port.postMessage(message, shared);

const { grow } = WebAssembly.Memory.prototype;
WebAssembly.Memory.prototype.grow = function (this: WebAssembly.Memory, pages: number): number {
  if (this.buffer.byteLength + pages * PAGE_BYTES > MEMORY_BYTES) throw new RangeError('no more memory');
  return grow.call(this, pages);
};

type Xgrammar = typeof import('@mlc-ai/web-xgrammar');

/** The package is a script for browsers that calls itself a module: it looks for what modules lack, and leaves a global. */
async function load(): Promise<Xgrammar> {
  const require = createRequire(import.meta.url);
  Object.assign(globalThis, { require, __filename: require.resolve('@mlc-ai/web-xgrammar') });
  await import('@mlc-ai/web-xgrammar');
  return (globalThis as unknown as { xgrammar: Xgrammar }).xgrammar;
}

const { TokenizerInfo, GrammarCompiler, GrammarMatcher: Matcher } = await load();
const table = readTokenTable(JSON.parse(await readFile(join(folder, 'tokenizer.json'), 'utf8')));
const tokens = Array.from({ length: vocabSize }, (_, id) => table.bytes(id));
const info = await TokenizerInfo.createTokenizerInfo(
  tokens as unknown as string[], // bytes are taken as well, and are no text where a character is in several tokens
  'raw',
  false,
  vocabSize,
  [...endTokens],
);
const compiler = await GrammarCompiler.createGrammarCompiler(info, false);

const compiled = new LRUCache<string, CompiledGrammar>({ max: KEPT, dispose: (one) => one.dispose() });
const matchers = new Map<number, GrammarMatcher>();

async function compile(schema: AnswerSchema): Promise<CompiledGrammar> {
  const key = JSON.stringify(schema);
  const known = compiled.get(key);
  if (known) return known;
  const one = await compiler.compileGrammar(grammarOf(readSchema(schema)));
  compiled.set(key, one);
  return one;
}

function take(matcher: GrammarMatcher, token: number): void {
  if (!matcher.acceptToken(token)) throw new Error(`the token ${token} was not allowed`);
}

async function tell(id: number, matcher: GrammarMatcher): Promise<void> {
  const allowed = (await matcher.getNextTokenBitmask()).slice();
  say({ id, allowed }, [allowed.buffer]);
}

async function handle(message: ToGrammarWorker): Promise<void> {
  const { id } = message;
  if (message.type === 'open') {
    const matcher = await Matcher.createGrammarMatcher(await compile(message.schema));
    matchers.set(id, matcher);
    for (const token of message.tokens) take(matcher, token);
    await tell(id, matcher);
  } else if (message.type === 'took') {
    const matcher = matchers.get(id)!;
    take(matcher, message.token);
    await tell(id, matcher);
  } else {
    matchers.get(id)?.dispose();
    matchers.delete(id);
  }
}

let last: Promise<void> = Promise.resolve();
port.on('message', (message: ToGrammarWorker) => {
  last = last.then(() => handle(message)); // what goes wrong ends the thread
});
say('ready');
