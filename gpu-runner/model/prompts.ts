/**
 * Prompts to tokens, apart from everything else: a chat template is a stranger's program, and a long text takes a
 * tokenizer seconds. Both run in a worker thread with bounded memory that is ended when it takes too long (no inference
 * session lives there, so ending it is safe) and started again for the next prompt.
 */
import { Worker } from 'node:worker_threads';
import type { Prompt } from '../../functions/generate.ts';
import { Fault, type FaultCode } from '../faults.ts';

/** A hundred messages take 10 ms; a text that fills a context of 128,000 tokens takes a second. */
const TIMEOUT_MS = 5_000;
/** Reading a tokenizer.json of 17 MB takes a second on a fast machine. */
const START_TIMEOUT_MS = 60_000;
/** A tokenizer of 128,000 tokens and 280,000 merges needs about 200 MB, twice when a prompt has forged tokens in it. */
const MEMORY_MB = 768;
/** Prompts that wait for the thread; beyond that the runner is busy. */
const MAX_PENDING = 256;
/** No tokenizer's vocabulary spends more characters on a token on average; beyond that, reading on is wasted work. */
const MAX_CHARACTERS_PER_TOKEN = 64;

export type TextPrompt = Exclude<Prompt, { kind: 'tokens' }>;

export interface PromptSettings {
  readonly folder: string;
  readonly maxCharacters: number;
}

export type FromPromptWorker =
  | { readonly type: 'ready' }
  | { readonly type: 'tokens'; readonly tokens: number[] }
  | {
      readonly type: 'refused';
      readonly code: FaultCode;
      readonly detail: string;
      readonly field?: string;
      readonly stack?: string;
    };

export class Prompts {
  private readonly settings: PromptSettings;
  private readonly timeoutMs: number;
  private worker: Worker | undefined;
  private pending = 0;
  private queue: Promise<unknown> = Promise.resolve();

  private constructor(folder: string, contextLength: number, timeoutMs: number) {
    this.settings = { folder, maxCharacters: contextLength * MAX_CHARACTERS_PER_TOKEN };
    this.timeoutMs = timeoutMs;
  }

  /** @param folder of the checkpoint. @throws Fault base_unsupported */
  static async open(folder: string, contextLength: number, timeoutMs = TIMEOUT_MS): Promise<Prompts> {
    const prompts = new Prompts(folder, contextLength, timeoutMs);
    await prompts.started();
    return prompts;
  }

  /** @throws Fault */
  async encode(prompt: TextPrompt): Promise<number[]> {
    const { maxCharacters } = this.settings;
    const length =
      prompt.kind === 'text'
        ? prompt.text.length
        : prompt.messages.reduce((total, { content }) => total + content.length, 0);
    const field = prompt.kind === 'text' ? 'prompt' : 'messages';
    if (length > maxCharacters)
      throw new Fault(
        'context_length_exceeded',
        `The prompt has ${length} characters; at most ${maxCharacters} are read.`,
        field,
      );
    if (this.pending >= MAX_PENDING) throw new Fault('busy', `${this.pending} prompts are waiting already`);
    this.pending++;
    const turn = this.queue.then(() => this.ask(prompt, field));
    this.queue = turn.catch(() => undefined);
    try {
      return await turn;
    } finally {
      this.pending--;
    }
  }

  async close(): Promise<void> {
    await this.worker?.terminate();
    this.worker = undefined;
  }

  private async ask(prompt: TextPrompt, field: string): Promise<number[]> {
    const worker = this.worker ?? (await this.started());
    const what = prompt.kind === 'text' ? 'Reading the prompt' : "The base's chat template";
    const late = new Fault(
      prompt.kind === 'text' ? 'invalid_request' : 'template_failed',
      `${what} took longer than ${this.timeoutMs / 1000} s.`,
      field,
    );
    const answer = this.answer(worker, this.timeoutMs, late);
    worker.postMessage(prompt);
    const reply = await answer;
    if (reply.type === 'tokens') return reply.tokens;
    throw new Fault('internal', 'the prompt worker answered something else');
  }

  private async started(): Promise<Worker> {
    const worker = new Worker(new URL('./prompt-worker.ts', import.meta.url), {
      workerData: this.settings,
      resourceLimits: { maxOldGenerationSizeMb: MEMORY_MB, stackSizeMb: 4 },
      env: {},
    });
    worker.on('error', () => undefined); // whoever waits hears of it; when nobody does, the next prompt starts another
    worker.on('exit', () => {
      if (this.worker === worker) this.worker = undefined;
    });
    const late = new Fault(
      'base_unsupported',
      `reading the tokenizer took longer than ${START_TIMEOUT_MS / 1000} s`,
    );
    await this.answer(worker, START_TIMEOUT_MS, late);
    worker.unref();
    this.worker = worker;
    return worker;
  }

  /** The next thing that the worker says. One that is late or that dies is replaced by the next prompt. */
  private answer(worker: Worker, timeoutMs: number, late: Fault): Promise<FromPromptWorker> {
    return new Promise((resolve, reject) => {
      const settle = (finish: () => void) => {
        clearTimeout(timer);
        // Only our own listeners are taken away: the worker hears its messages through one of Node's.
        worker.off('error', failed).off('exit', left).off('message', said);
        finish();
      };
      const lose = (fault: Fault) => {
        this.worker = undefined;
        settle(() => reject(fault));
        void worker.terminate();
      };
      const failed = (error: NodeJS.ErrnoException) =>
        lose(
          error.code === 'ERR_WORKER_OUT_OF_MEMORY'
            ? new Fault(late.code, 'The prompt needed too much memory.', late.field)
            : new Fault('internal', 'the prompt could not be read', undefined, error.stack),
        );
      const left = () => lose(new Fault('internal', 'the prompt worker ended'));
      const said = (message: FromPromptWorker) =>
        settle(() => {
          if (message.type !== 'refused') resolve(message);
          else reject(new Fault(message.code, message.detail, message.field, message.stack));
        });
      const timer = setTimeout(() => lose(late), timeoutMs);
      worker.on('error', failed).on('exit', left).on('message', said);
    });
  }
}
