/** A training session in a worker thread, as the main thread sees it. */
import { SHARE_ENV, Worker } from 'node:worker_threads';
import type {
  Group,
  GroupResult,
  LossResult,
  Trained,
  TrainingPasses,
  TrainingSettings,
} from './training-session.ts';

export interface TrainingTask {
  /** Of the checkpoint. */
  readonly folder: string;
  readonly trained: Trained;
  readonly settings: TrainingSettings;
}

export type ToTrainingWorker =
  | { readonly type: 'run' | 'evaluate'; readonly id: number; readonly groups: readonly Group[] }
  | { readonly type: 'release' };

export type FromTrainingWorker =
  | { readonly type: 'ready' }
  | { readonly type: 'broken'; readonly reason: string }
  | { readonly type: 'results'; readonly id: number; readonly results: readonly LossResult[] }
  | { readonly type: 'failed'; readonly id: number; readonly reason: string };

/** The engine could not do what it was asked; the message is for the operator's log. */
export class TrainingEngineError extends Error {
  override readonly name = 'TrainingEngineError';
}

interface Waiting {
  done(results: readonly LossResult[]): void;
  failed(error: Error): void;
}

export class TrainingHost implements TrainingPasses {
  private readonly worker: Worker;
  private readonly waiting = new Map<number, Waiting>();
  private readonly exited: Promise<void>;
  private ended: TrainingEngineError | undefined;
  private nextId = 1;

  private constructor(worker: Worker) {
    this.worker = worker;
    this.exited = new Promise((resolve) => worker.once('exit', () => resolve()));
    worker.on('message', (message: FromTrainingWorker) => this.receive(message));
    worker.on('error', (error) => this.end(error.stack ?? error.message));
    worker.on('exit', () => this.end('the training thread ended'));
  }

  /** @throws TrainingEngineError */
  static open(task: TrainingTask): Promise<TrainingHost> {
    const worker = new Worker(new URL('./training-worker.ts', import.meta.url), {
      workerData: task,
      env: SHARE_ENV, // session.ts switches telemetry off in the environment that native code sees, not in a copy
    });
    return new Promise((resolve, reject) => {
      const refuse = (reason: string) => reject(new TrainingEngineError(reason));
      worker.once('message', (message: FromTrainingWorker) => {
        if (message.type === 'ready') resolve(new TrainingHost(worker));
        else refuse(message.type === 'broken' ? message.reason : message.type);
      });
      worker.once('error', (error) => refuse(error.stack ?? error.message));
      worker.once('exit', () => refuse('the training thread ended'));
    });
  }

  /** @throws TrainingEngineError */
  async run(groups: readonly Group[]): Promise<GroupResult[]> {
    return (await this.ask('run', groups)) as GroupResult[];
  }

  /** @throws TrainingEngineError */
  async evaluate(groups: readonly Group[]): Promise<LossResult[]> {
    return [...(await this.ask('evaluate', groups))];
  }

  /** Waits for what runs: ending the thread during a pass would abort the process. */
  async release(): Promise<void> {
    if (!this.ended) this.send({ type: 'release' });
    await this.exited;
  }

  private ask(type: 'run' | 'evaluate', groups: readonly Group[]): Promise<readonly LossResult[]> {
    if (this.ended) return Promise.reject(this.ended);
    const id = this.nextId++;
    return new Promise((done, failed) => {
      this.waiting.set(id, { done, failed });
      this.send({ type, id, groups });
    });
  }

  private send(message: ToTrainingWorker): void {
    this.worker.postMessage(message);
  }

  private receive(message: FromTrainingWorker): void {
    if (message.type !== 'results' && message.type !== 'failed') return;
    const asked = this.waiting.get(message.id)!;
    this.waiting.delete(message.id);
    if (message.type === 'results') asked.done(message.results);
    else asked.failed(new TrainingEngineError(message.reason));
  }

  private end(reason: string): void {
    this.ended ??= new TrainingEngineError(reason);
    for (const { failed } of this.waiting.values()) failed(this.ended);
    this.waiting.clear();
  }
}
