/**
 * What may follow in answers that are held to a schema. Worked out in a thread of its own: a schema is a stranger's, some take
 * minutes and gigabytes, and whatever goes wrong in xgrammar ends its instance. A thread that is late or dies is ended and started
 * again. What it owed first was to blame, and fails; the others are opened again with the tokens they have, and notice nothing.
 */
import { Worker } from 'node:worker_threads';
import type { AnswerSchema } from '../../functions/answer-schema.ts';
import { Fault } from '../faults.ts';

/** A usual schema takes 50 ms, a next token 3 at most. */
const TIMEOUT_MS = 5_000;
/** Reading a tokenizer.json of 17 MB takes a second on a fast machine. */
const START_TIMEOUT_MS = 60_000;

/** Of JavaScript; what xgrammar may have stands in grammar-worker.ts. A tokenizer of 128,000 tokens needs about 100 MB. */
const MEMORY_MB = 512;

export interface GrammarSettings {
  /** Of the checkpoint. */
  readonly folder: string;
  readonly vocabSize: number;
  readonly endTokens: readonly number[];
}

export type ToGrammarWorker =
  | {
      readonly type: 'open';
      readonly id: number;
      readonly schema: AnswerSchema;
      readonly tokens: readonly number[];
    }
  | { readonly type: 'took'; readonly id: number; readonly token: number }
  | { readonly type: 'close'; readonly id: number };

/** To every `open` and `took`, in their order. */
export type FromGrammarWorker = 'ready' | { readonly id: number; readonly allowed: Int32Array };

/** What may follow in one answer. */
export interface Grammar {
  /** A bit for each token that may be the next one; undefined: not known yet. */
  readonly allowed: Int32Array | undefined;
  /** Why it will never be known. */
  readonly failure: Fault | undefined;
  /** When one of the two is there. */
  readonly settled: Promise<void>;
  /** The answer goes on with this token, one of those allowed. */
  took(token: number): void;
  close(): void;
}

class OpenGrammar {
  readonly id: number;
  readonly schema: AnswerSchema;
  readonly tokens: number[] = [];
  allowed: Int32Array | undefined;
  failure: Fault | undefined;
  /** Questions without an answer. */
  owed = 0;
  private waiting = Promise.withResolvers<void>();

  constructor(id: number, schema: AnswerSchema) {
    this.id = id;
    this.schema = schema;
  }

  get settled(): Promise<void> {
    return this.waiting.promise;
  }

  go(token: number): void {
    this.tokens.push(token);
    this.allowed = undefined;
    this.waiting = Promise.withResolvers();
  }

  answer(allowed: Int32Array): void {
    this.allowed = allowed;
    this.waiting.resolve();
  }

  fail(failure: Fault): void {
    this.failure = failure;
    this.waiting.resolve();
  }
}

export class Grammars {
  private readonly settings: GrammarSettings;
  private readonly timeoutMs: number;
  private readonly opened = new Map<number, OpenGrammar>();
  /** Whom the thread owes an answer, in its order. */
  private asked: OpenGrammar[] = [];
  private thread: Worker | undefined;
  private isReady = false;
  private timer: NodeJS.Timeout | undefined;
  private nextId = 1;

  constructor(settings: GrammarSettings, timeoutMs = TIMEOUT_MS) {
    this.settings = settings;
    this.timeoutMs = timeoutMs;
  }

  open(schema: AnswerSchema): Grammar {
    const opened = new OpenGrammar(this.nextId++, schema);
    this.opened.set(opened.id, opened);
    if (this.thread) this.askToOpen(opened);
    else this.start();
    const take = (token: number) => this.took(opened, token);
    const close = () => this.close(opened);
    return {
      get allowed() {
        return opened.allowed;
      },
      get failure() {
        return opened.failure;
      },
      get settled() {
        return opened.settled;
      },
      took: take,
      close,
    };
  }

  private took(opened: OpenGrammar, token: number): void {
    opened.go(token);
    if (this.thread) this.ask(opened, { type: 'took', id: opened.id, token });
    else this.start();
  }

  private close({ id }: OpenGrammar): void {
    if (this.opened.delete(id)) this.thread?.postMessage({ type: 'close', id } satisfies ToGrammarWorker);
  }

  private askToOpen(opened: OpenGrammar): void {
    const { id, schema, tokens } = opened;
    this.ask(opened, { type: 'open', id, schema, tokens });
  }

  private ask(opened: OpenGrammar, message: ToGrammarWorker): void {
    opened.owed++;
    this.asked.push(opened);
    this.thread!.postMessage(message);
    if (this.asked.length === 1) this.watch();
  }

  private start(): void {
    const thread = new Worker(new URL('./grammar-worker.ts', import.meta.url), {
      workerData: this.settings,
      resourceLimits: { maxOldGenerationSizeMb: MEMORY_MB },
      env: {},
      stdout: true, // not shown: before it ends, xgrammar tells whoever is there why
      stderr: true,
    });
    thread.on('message', (message: FromGrammarWorker) => this.receive(thread, message));
    thread.on('error', (error) => this.lost(thread, 'cannot be worked out', error));
    thread.on('exit', () => this.lost(thread, 'cannot be worked out'));
    thread.unref(); // it ends with the thread that it works for
    this.thread = thread;
    this.isReady = false;
    this.asked = [];
    for (const opened of this.opened.values()) {
      opened.owed = 0;
      this.askToOpen(opened);
    }
  }

  private receive(thread: Worker, message: FromGrammarWorker): void {
    if (this.thread !== thread) return;
    if (message === 'ready') this.isReady = true;
    else {
      const opened = this.asked.shift()!;
      if (--opened.owed === 0) opened.answer(message.allowed);
    }
    this.watch();
  }

  /** Watches the first that is owed an answer. */
  private watch(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    const { thread } = this;
    if (!thread || this.asked.length === 0) return;
    const limit = this.isReady ? this.timeoutMs : START_TIMEOUT_MS;
    const timer = setTimeout(() => {
      // A long step of the model holds up this thread: an answer that came meanwhile is heard before this is called.
      setImmediate(() => {
        if (this.timer === timer) this.lost(thread, `took longer than ${limit / 1000} s to work out`);
      });
    }, limit);
    this.timer = timer;
  }

  private lost(thread: Worker, what: string, cause?: Error): void {
    if (this.thread !== thread) return;
    this.thread = undefined;
    clearTimeout(this.timer);
    this.timer = undefined;
    void thread.terminate();
    const guilty = this.isReady ? this.asked.slice(0, 1) : [...this.opened.values()];
    for (const opened of guilty) {
      this.opened.delete(opened.id);
      opened.fail(
        this.isReady
          ? new Fault(
              'invalid_request',
              `What may follow by this schema ${what}; ask for less of it.`,
              'response_format',
              cause,
            )
          : new Fault(
              'internal',
              'the thread that works out what may follow did not start',
              undefined,
              cause,
            ),
      );
    }
    this.asked = [];
    if (this.opened.size > 0) this.start();
  }
}
