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
  readonly bytes: number;
  readonly opening: Promise<{ trainer: Trainer; host: TrainingHost }>;
  holders: number;
}

export class TrainerPool {
  private readonly maxTokens: number;
  private readonly maxBytes: number;
  private readonly shared = new Map<string, Shared>();
  private freed = Promise.withResolvers<void>();
  /** Of those who want a trainer. */
  private readonly queue = new Turns();
  private readonly passes = new Turns();

  /** @param maxTokens of a pass, all jobs together. @param maxBytes of all trainers, though one is opened in any case */
  constructor(limits: { maxTokens: number; maxBytes: number }) {
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
    const { checkpoint, modules, dora, ranks, threads, memory } = needs;
    const { gradientCheckpointing, packedWeights, bytes } = memory;
    const key = JSON.stringify([
      checkpoint.folder,
      modules,
      dora,
      ranks ?? null,
      threads,
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
