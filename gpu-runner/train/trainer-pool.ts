/**
 * The trainers of this process: one for each base and set of modules, shared by the jobs that train them. Base, passes and what
 * each job keeps of its own take memory; who does not fit beside those that are there waits.
 */
import type { Checkpoint } from '../model/checkpoint.ts';
import { HEAD_MODULE } from '../model/llama.ts';
import type { MemoryPlan, PreparedJob } from './prepare.ts';
import { Trainer } from './trainer.ts';
import { TrainingHost } from './training-host.ts';
import { Turns } from './turns.ts';

/** Who has waited for longer is passed by nobody: else jobs on one base, one after another, would keep another out for ever. */
const PATIENCE_MS = 60 * 60_000;
/** A wait that is shorter is not worth a word. */
const TELL_AFTER_MS = 1_000;

export interface HeldTrainer extends AsyncDisposable {
  readonly trainer: Trainer;
}

export interface TrainerNeeds {
  readonly checkpoint: Checkpoint;
  readonly modules: readonly string[];
  readonly dora: boolean;
  /** What tells its jobs' ranks apart, where sums along the rank are not indifferent to a padded one. */
  readonly ranks: string | undefined;
  readonly threads: number;
  readonly memory: MemoryPlan;
}

/** With DoRA, a padded rank changes bits. So it does for a rank of 1, whose products have a kernel of their own. */
export function needsOf({ checkpoint, plan, memory, engine }: PreparedJob): TrainerNeeds {
  const { modules, dora } = plan;
  const ranks = [...plan.initial.values()].map(({ rank }) => rank);
  const apart = dora || ranks.includes(1) ? ranks.join() : undefined;
  return { checkpoint, modules, dora, ranks: apart, threads: engine.threads, memory };
}

interface Shared {
  readonly opening: Promise<{ trainer: Trainer; host: TrainingHost }>;
  holders: number;
  /** Of the base and the largest pass so far: what was taken for a pass is not given back between two. */
  passBytes: number;
  /** Of all holders. */
  ownBytes: number;
  /** It takes its memory until it is gone, and nobody joins it any more. */
  isClosing: boolean;
}

interface Waiting {
  readonly needs: TrainerNeeds;
  readonly since: number;
  readonly admitted: (shared: Shared) => void;
}

export class TrainerPool {
  private readonly maxTokens: number;
  private readonly maxBytes: number;
  private readonly shared = new Map<string, Shared>();
  /** In the order in which they came. */
  private waiting: Waiting[] = [];
  private readonly passes = new Turns();

  /** @param maxTokens of a pass, all jobs together. @param maxBytes of all trainers, though one job is let in in any case */
  constructor(limits: { maxTokens: number; maxBytes: number }) {
    this.maxTokens = limits.maxTokens;
    this.maxBytes = limits.maxBytes;
  }

  /**
   * Stays open until its last holder disposes of it.
   * @param onWait called where others leave too little memory
   * @throws what the signal was aborted with; whatever the engine says of the base
   */
  async hold(needs: TrainerNeeds, signal: AbortSignal, onWait = () => {}): Promise<HeldTrainer> {
    const shared = await this.admission(needs, signal, onWait);
    const release = () => this.release(needs, shared);
    try {
      const { trainer } = await shared.opening;
      signal.throwIfAborted();
      return { trainer, [Symbol.asyncDispose]: release };
    } catch (error) {
      await release();
      throw error;
    }
  }

  private async admission(needs: TrainerNeeds, signal: AbortSignal, onWait: () => void): Promise<Shared> {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<Shared>();
    const one: Waiting = { needs, since: performance.now(), admitted: resolve };
    this.waiting.push(one);
    this.admit();
    const leave = () => {
      if (!this.waiting.includes(one)) return;
      this.waiting = this.waiting.filter((other) => other !== one);
      reject(signal.reason);
      this.admit();
    };
    signal.addEventListener('abort', leave, { once: true });
    const timer = setTimeout(onWait, TELL_AFTER_MS);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', leave);
    }
  }

  /** In their order, but who finds a trainer open goes past those who need room for another one. */
  private admit(): void {
    let isBlocked = false;
    for (const one of [...this.waiting]) {
      if (isBlocked && performance.now() - this.waiting[0]!.since > PATIENCE_MS) return;
      const shared = this.place(one.needs, !isBlocked);
      if (shared) {
        this.waiting = this.waiting.filter((other) => other !== one);
        one.admitted(shared);
      } else isBlocked = true;
    }
  }

  /** @returns the trainer, with the job counted in; undefined where it must wait */
  private place(needs: TrainerNeeds, mayOpen: boolean): Shared | undefined {
    const key = keyOf(needs);
    const { passBytes, ownBytes } = needs.memory;
    let shared = this.shared.get(key);
    if (shared ? shared.isClosing : !mayOpen) return undefined;
    const more = Math.max(0, passBytes - (shared?.passBytes ?? 0)) + ownBytes;
    if (this.shared.size > 0 && this.used + more > this.maxBytes) return undefined;
    shared ??= this.begin(key, needs);
    shared.holders++;
    shared.passBytes = Math.max(shared.passBytes, passBytes);
    shared.ownBytes += ownBytes;
    return shared;
  }

  private get used(): number {
    return [...this.shared.values()].reduce((sum, { passBytes, ownBytes }) => sum + passBytes + ownBytes, 0);
  }

  private begin(key: string, needs: TrainerNeeds): Shared {
    const opening = this.open(needs);
    const shared: Shared = { opening, holders: 0, passBytes: 0, ownBytes: 0, isClosing: false };
    opening.catch(() => {
      shared.isClosing = true; // whoever comes now has it opened anew
    });
    this.shared.set(key, shared);
    return shared;
  }

  private async release(needs: TrainerNeeds, shared: Shared): Promise<void> {
    shared.ownBytes -= needs.memory.ownBytes;
    if (--shared.holders === 0) {
      shared.isClosing = true;
      const opened = await shared.opening.catch(() => undefined);
      await opened?.trainer.idle();
      await opened?.host.release();
      this.shared.delete(keyOf(needs));
    }
    this.admit();
  }

  private async open({ checkpoint, modules, dora, threads, memory }: TrainerNeeds) {
    const { gradientCheckpointing, packedWeights } = memory;
    const settings = { threads, gradientCheckpointing, packedWeights };
    const host = await TrainingHost.open({
      folder: checkpoint.folder,
      trained: { modules, dora },
      settings,
    });
    const maxTokens = modules.includes(HEAD_MODULE) ? 0 : this.maxTokens; // 0: one job at a time
    return { host, trainer: new Trainer(host, maxTokens, this.passes) };
  }
}

function keyOf({ checkpoint, modules, dora, ranks, threads, memory }: TrainerNeeds): string {
  const { gradientCheckpointing, packedWeights } = memory;
  const { folder } = checkpoint;
  return JSON.stringify([
    folder,
    modules,
    dora,
    ranks ?? null,
    threads,
    gradientCheckpointing,
    packedWeights,
  ]);
}
