/**
 * Chat templates. A template is a program written by whoever made the checkpoint, so it runs apart: in a worker thread
 * with little memory, ended when it takes too long (no inference session lives there, so ending it is safe).
 */
import { Worker } from 'node:worker_threads';
import type { ChatMessage } from '../../functions/generate.ts';

/** The longest template of a well-known model is about 15 kB. */
export const MAX_TEMPLATE_LENGTH = 128 * 1024;
/** Templates of real models take under 10 ms for a hundred messages. */
export const RENDER_TIMEOUT_MS = 2_000;
export const MAX_RENDERED_LENGTH = 8 * 1024 * 1024;

/** The template refused the conversation (its own words), or broke a bound. */
export class TemplateError extends Error {
  override readonly name = 'TemplateError';
}

export interface TemplateInput {
  readonly template: string;
  readonly messages: readonly ChatMessage[];
  /** bos_token and its like. */
  readonly specials: Readonly<Record<string, string>>;
}

export type RenderReply = { rendered: string } | { error: string };

export class ChatTemplates {
  private worker: Worker | undefined;
  private queue: Promise<unknown> = Promise.resolve();
  private readonly timeoutMs: number;

  constructor(timeoutMs = RENDER_TIMEOUT_MS) {
    this.timeoutMs = timeoutMs;
  }

  /** @throws TemplateError */
  render(input: TemplateInput): Promise<string> {
    if (input.template.length > MAX_TEMPLATE_LENGTH) {
      return Promise.reject(
        new TemplateError(`the chat template is longer than ${MAX_TEMPLATE_LENGTH} characters`),
      );
    }
    const result = this.queue.then(() => this.ask(input));
    this.queue = result.catch(() => undefined);
    return result;
  }

  async close(): Promise<void> {
    await this.worker?.terminate();
    this.worker = undefined;
  }

  private start(): Worker {
    const worker = new Worker(new URL('./chat-template-worker.ts', import.meta.url), {
      resourceLimits: { maxOldGenerationSizeMb: 96, maxYoungGenerationSizeMb: 16, stackSizeMb: 4 },
      env: {},
    });
    worker.unref();
    // One that ends while nobody waits is replaced at the next question.
    const forget = () => {
      if (this.worker === worker) this.worker = undefined;
    };
    return worker.on('error', forget).on('exit', forget);
  }

  private ask(input: TemplateInput): Promise<string> {
    const worker = (this.worker ??= this.start());
    return new Promise((resolve, reject) => {
      const end = (detail: string) => {
        this.worker = undefined;
        void worker.terminate();
        settle(() => reject(new TemplateError(detail)));
      };
      const failed = (error: Error) => end(`the chat template failed: ${error.message}`);
      const left = () => end('the chat template needed too much memory');
      const answered = (reply: RenderReply) =>
        settle(() =>
          'rendered' in reply ? resolve(reply.rendered) : reject(new TemplateError(reply.error)),
        );
      const timer = setTimeout(
        () => end(`the chat template did not finish within ${this.timeoutMs / 1000} s`),
        this.timeoutMs,
      );
      // Only our own listeners are taken away: the worker hears its messages through one of Node's.
      const settle = (finish: () => void) => {
        clearTimeout(timer);
        worker.off('error', failed).off('exit', left).off('message', answered);
        finish();
      };
      worker.on('error', failed).on('exit', left).on('message', answered);
      worker.postMessage(input);
    });
  }
}
