/** The trainers of this process: one for each base and set of modules, shared by the jobs that train them. */
import type { Checkpoint } from '../model/checkpoint.ts';
import { Trainer } from './trainer.ts';
import { TrainingSession } from './training-session.ts';

export interface HeldTrainer extends AsyncDisposable {
  readonly trainer: Trainer;
}

interface Shared {
  readonly opening: Promise<{ trainer: Trainer; session: TrainingSession }>;
  holders: number;
}

export class TrainerPool {
  private readonly threads: number;
  private readonly maxTokens: number;
  private readonly shared = new Map<string, Shared>();

  constructor({ threads, maxTokens }: { threads: number; maxTokens: number }) {
    this.threads = threads;
    this.maxTokens = maxTokens;
  }

  /** Stays open until its last holder disposes of it. */
  async hold(
    checkpoint: Checkpoint,
    modules: readonly string[],
    gradientCheckpointing: boolean,
  ): Promise<HeldTrainer> {
    const key = JSON.stringify([checkpoint.fingerprint, checkpoint.folder, modules, gradientCheckpointing]);
    let shared = this.shared.get(key);
    if (!shared) {
      shared = { opening: this.open(checkpoint, modules, gradientCheckpointing), holders: 0 };
      this.shared.set(key, shared);
    }
    const own = shared;
    own.holders++;
    const release = async () => {
      if (--own.holders > 0) return;
      this.shared.delete(key);
      const { trainer, session } = await own.opening;
      await trainer.idle();
      await session.release();
    };
    try {
      const { trainer } = await own.opening;
      return { trainer, [Symbol.asyncDispose]: release };
    } catch (error) {
      own.holders--;
      this.shared.delete(key);
      throw error;
    }
  }

  private async open(checkpoint: Checkpoint, modules: readonly string[], gradientCheckpointing: boolean) {
    const settings = { threads: this.threads, gradientCheckpointing };
    const session = await TrainingSession.open(checkpoint, { modules }, settings);
    return { session, trainer: new Trainer(session, this.maxTokens) };
  }
}
