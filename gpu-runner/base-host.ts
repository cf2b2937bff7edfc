/** A base model in a worker thread, as the main thread sees it. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { BaseConfig } from '../adapter/base-config.ts';
import type { GenerateEvent } from '../functions/generate.ts';
import { Fault } from './faults.ts';
import type { FromWorker, GenerateCommand, ToWorker, WorkerSettings, WorkerStats } from './messages.ts';
import { Tokenizer } from './model/tokenizer.ts';

interface Listener {
  event(event: GenerateEvent): void;
  refused(fault: Fault): void;
}

export class BaseHost {
  readonly config: BaseConfig;
  readonly tokenizer: Tokenizer;
  stats: WorkerStats = { running: 0, waiting: 0, adapters: 0 };
  private readonly worker: Worker;
  private readonly listeners = new Map<number, Listener>();
  private nextId = 1;
  private closed = false;

  private constructor(worker: Worker, config: BaseConfig, tokenizer: Tokenizer) {
    this.worker = worker;
    this.config = config;
    this.tokenizer = tokenizer;
    worker.on('message', (message: FromWorker) => this.receive(message));
    worker.on('error', (error) => this.failAll(error.message));
    worker.on('exit', () => this.failAll('the model thread ended'));
  }

  get isAlive(): boolean {
    return !this.closed;
  }

  /** @throws Fault base_unsupported */
  static async open(settings: WorkerSettings): Promise<BaseHost> {
    const tokenizer = await openTokenizer(settings.folder);
    const worker = new Worker(new URL('./worker.ts', import.meta.url), { workerData: settings });
    const config = await new Promise<BaseConfig>((resolve, reject) => {
      worker.once('message', (message: FromWorker) => {
        if (message.type === 'ready') resolve(message.config);
        else if (message.type === 'broken') reject(new Fault(message.code, message.detail));
      });
      worker.once('error', reject);
    });
    return new BaseHost(worker, config, tokenizer);
  }

  /** Events of one request until its last; leaving early cancels it. @throws Fault when it is refused */
  async *generate(
    command: Omit<GenerateCommand, 'type' | 'id'>,
    signal: AbortSignal,
  ): AsyncGenerator<GenerateEvent> {
    if (this.closed) throw new Fault('internal', 'the model thread ended');
    const id = this.nextId++;
    const events: GenerateEvent[] = [];
    let refusal: Fault | undefined;
    let wake = (): void => undefined;
    this.listeners.set(id, {
      event: (event) => {
        events.push(event);
        wake();
      },
      refused: (fault) => {
        refusal = fault;
        wake();
      },
    });
    const onAbort = () => wake();
    signal.addEventListener('abort', onAbort, { once: true });
    this.send({ type: 'generate', id, ...command });
    let open = command.n;
    try {
      while (open > 0) {
        if (signal.aborted) return;
        if (refusal) throw refusal;
        const event = events.shift();
        if (!event) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
          continue;
        }
        if (event.type === 'finish' || event.type === 'error') open--;
        yield event;
      }
    } finally {
      signal.removeEventListener('abort', onAbort);
      this.listeners.delete(id);
      if (open > 0) this.send({ type: 'cancel', id });
    }
  }

  /** Waits for what runs, then ends the thread. Ending it during a run would abort the process. */
  async close(): Promise<void> {
    if (this.closed) return;
    const exited = new Promise((resolve) => this.worker.once('exit', resolve));
    this.send({ type: 'close' });
    await exited;
  }

  private send(message: ToWorker): void {
    if (!this.closed) this.worker.postMessage(message);
  }

  private receive(message: FromWorker): void {
    if (message.type === 'event') this.listeners.get(message.id)?.event(message.event);
    else if (message.type === 'refused')
      this.listeners.get(message.id)?.refused(new Fault(message.code, message.detail));
    else if (message.type === 'stats') this.stats = message.stats;
  }

  private failAll(detail: string): void {
    this.closed = true;
    for (const listener of this.listeners.values()) listener.refused(new Fault('internal', detail));
  }
}

async function openTokenizer(folder: string): Promise<Tokenizer> {
  const read = (name: string) => readFile(join(folder, name), 'utf8');
  const template = await read('chat_template.jinja').catch(() => undefined);
  try {
    return new Tokenizer(
      JSON.parse(await read('tokenizer.json')),
      JSON.parse(await read('tokenizer_config.json')),
      template,
    );
  } catch (error) {
    throw new Fault('base_unsupported', `the tokenizer cannot be read: ${(error as Error).message}`);
  }
}
