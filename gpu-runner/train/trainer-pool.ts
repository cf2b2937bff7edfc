/**
 * The trainers of this process: one for each base and set of modules, shared by the jobs that train them. A base takes
 * memory, so a trainer is opened when it fits beside those that are open; those that wait get their turn in order.
 */
import type { Checkpoint } from '../model/checkpoint.ts';
import { HEAD_MODULE } from '../model/llama.ts';
import type { MemoryPlan, PreparedJob } from './prepare.ts';
import { Trainer } from './trainer.ts';
import { TrainingHost } from './training-host.ts';
import { Turns } from './turns.ts';

export interface HeldTrainer extends AsyncDisposable {
  readonly trainer: Trainer;
}

export interface TrainerNeeds {
  readonly checkpoint: Checkpoint;
  readonly modules: readonly string[];
  /** With DoRA: what tells its jobs' ranks apart. Sums along the rank are not indifferent to a padded one. */
  readonly dora: string | undefined;
  readonly memory: MemoryPlan;
}

export function needsOf({ checkpoint, plan, memory }: PreparedJob): TrainerNeeds {
  const { modules, initial } = plan;
  const dora = plan.dora ? [...initial.values()].map(({ rank }) => rank).join() : undefined;
  return { checkpoint, modules, dora, memory };
}

interface Shared {
  readonly bytes: number;
  readonly opening: Promise<{ trainer: Trainer; host: TrainingHost }>;
  holders: number;
}

export class TrainerPool {
  private readonly threads: number;
  private readonly maxTokens: number;
  private readonly maxBytes: number;
  private readonly shared = new Map<string, Shared>();
  private freed = Promise.withResolvers<void>();
  /** Of those who want a trainer. */
  private readonly queue = new Turns();
  private readonly passes = new Turns();

  /** @param maxTokens of a pass, all jobs together. @param maxBytes of all trainers, though one is opened in any case */
  constructor(limits: { threads: number; maxTokens: number; maxBytes: number }) {
    this.threads = limits.threads;
    this.maxTokens = limits.maxTokens;
    this.maxBytes = limits.maxBytes;
  }

  /** Stays open until its last holder disposes of it. */
  async hold(needs: TrainerNeeds): Promise<HeldTrainer> {
    const [key, shared] = await this.queue.take(() => this.join(needs));
    const release = async () => {
      if (--shared.holders > 0) return;
      this.shared.delete(key);
      const opened = await shared.opening.catch(() => undefined);
      await opened?.trainer.idle();
      await opened?.host.release();
      this.freed.resolve();
      this.freed = Promise.withResolvers<void>();
    };
    try {
      const { trainer } = await shared.opening;
      return { trainer, [Symbol.asyncDispose]: release };
    } catch (error) {
      await release();
      throw error;
    }
  }

  private async join(needs: TrainerNeeds): Promise<[key: string, shared: Shared]> {
    const { checkpoint, modules, dora, memory } = needs;
    const { gradientCheckpointing, packedWeights, bytes } = memory;
    const key = JSON.stringify([
      checkpoint.folder,
      modules,
      dora ?? null,
      gradientCheckpointing,
      packedWeights,
    ]);
    for (;;) {
      const known = this.shared.get(key);
      if (known) {
        known.holders++;
        return [key, known];
      }
      const used = [...this.shared.values()].reduce((sum, shared) => sum + shared.bytes, 0);
      if (this.shared.size === 0 || used + bytes <= this.maxBytes) break;
      await this.freed.promise;
    }
    const shared = { bytes, opening: this.open(needs), holders: 1 };
    this.shared.set(key, shared);
    return [key, shared];
  }

  private async open({ checkpoint, modules, dora, memory }: TrainerNeeds) {
    const { gradientCheckpointing, packedWeights } = memory;
    const settings = { threads: this.threads, gradientCheckpointing, packedWeights };
    const host = await TrainingHost.open({
      folder: checkpoint.folder,
      trained: { modules, dora: dora !== undefined },
      settings,
    });
    const maxTokens = modules.includes(HEAD_MODULE) ? 0 : this.maxTokens; // 0: one job at a time
    return { host, trainer: new Trainer(host, maxTokens, this.passes) };
  }
}
