/** Who shares a trainer, who waits for memory, and that those who wait can be called away. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Checkpoint } from '../model/checkpoint.ts';
import { copyCheckpoint } from '../testing/training.ts';
import { targetModules } from './lora.ts';
import { type HeldTrainer, type TrainerNeeds, TrainerPool } from './trainer-pool.ts';
import { TrainingHost } from './training-host.ts';

let llama: Checkpoint;
let qwen: Checkpoint;
let pool: TrainerPool;
/** What happened to bases, in order. */
let bases: string[];

beforeAll(async () => {
  [llama, qwen] = await Promise.all([copyCheckpoint('llama3'), copyCheckpoint('qwen3')]);
});

beforeEach(() => {
  pool = new TrainerPool({ maxTokens: 512, maxBytes: 100 });
  bases = [];
  const { open } = TrainingHost;
  vi.spyOn(TrainingHost, 'open').mockImplementation(async (task) => {
    const name = task.folder === llama.folder ? 'llama' : 'qwen';
    bases.push(`open ${name}`);
    const host = await open.call(TrainingHost, task);
    const release = host.release.bind(host);
    host.release = async () => {
      await release();
      bases.push(`close ${name}`);
    };
    return host;
  });
});

afterEach(() => vi.restoreAllMocks());

function needs(checkpoint: Checkpoint, passBytes: number, ownBytes: number): TrainerNeeds {
  const modules = targetModules(checkpoint.config, ['attention']);
  const memory = { gradientCheckpointing: false, packedWeights: false, passBytes, ownBytes };
  return { checkpoint, modules, dora: false, ranks: undefined, threads: 1, memory };
}

const never = new AbortController().signal;
const hold = (wanted: TrainerNeeds, signal = never) => pool.hold(wanted, signal);
const leave = (held: HeldTrainer) => held[Symbol.asyncDispose]();

/** Whether it is still to come, after as long as opening takes. */
async function waits(promise: Promise<unknown>): Promise<boolean> {
  return Promise.race([promise.then(() => false), sleep(1_500).then(() => true)]);
}

describe('a pool of trainers', () => {
  it('opens a base once for all who train the same of it', async () => {
    const [one, two] = await Promise.all([hold(needs(llama, 50, 5)), hold(needs(llama, 50, 5))]);
    expect(two.trainer).toBe(one.trainer);
    await leave(one);
    expect(bases).toEqual(['open llama']);
    await leave(two);
    expect(bases).toEqual(['open llama', 'close llama']);
  });

  it('opens a base that does not fit once the other is closed, and lets others pass meanwhile', async () => {
    const one = await hold(needs(llama, 50, 5));
    const other = hold(needs(qwen, 50, 5));
    const two = await hold(needs(llama, 50, 5)); // though the other was there before
    await leave(one);
    expect(await waits(other)).toBe(true);
    await leave(two);
    await leave(await other);
    expect(bases).toEqual(['open llama', 'close llama', 'open qwen', 'close qwen']);
  });

  it('lets nobody pass one who has waited for more than an hour', async () => {
    const one = await hold(needs(llama, 50, 5));
    const other = hold(needs(qwen, 50, 5));
    const now = performance.now() + 3_600_001;
    vi.spyOn(performance, 'now').mockReturnValue(now);
    const two = hold(needs(llama, 50, 5));
    await leave(one);
    await leave(await other);
    await leave(await two);
    expect(bases.filter((event) => event.startsWith('open'))).toEqual([
      'open llama',
      'open qwen',
      'open llama',
    ]);
  });

  it('counts what each job adds: its own, and a longer pass', async () => {
    const one = await hold(needs(llama, 50, 10));
    const own = hold(needs(llama, 50, 41));
    const longer = hold(needs(llama, 91, 0));
    expect(await waits(Promise.race([own, longer]))).toBe(true);
    const small = await hold(needs(llama, 60, 30)); // 60 + 10 + 30
    const none = hold(needs(llama, 1, 1));
    expect(await waits(none)).toBe(true);
    await leave(one);
    await leave(await none);
    await leave(small);
    await leave(await own);
    await leave(await longer);
  });

  it('lets one in that is alone, whatever it takes', async () => {
    await leave(await hold(needs(llama, 1000, 1000)));
  });

  it('fails those who wanted what does not open, and opens it anew for the next', async () => {
    const broken = { ...llama, folder: '/nowhere' };
    const failed = await Promise.allSettled([hold(needs(broken, 50, 5)), hold(needs(broken, 50, 5))]);
    expect(failed.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    await expect(hold(needs(broken, 50, 5))).rejects.toThrow();
    expect(bases).toEqual(['open qwen', 'open qwen']);
    await leave(await hold(needs(llama, 90, 5))); // nothing is left of the memory it took
  });

  it('tells those who wait, once, and lets go of those who are called away', async () => {
    const one = await hold(needs(llama, 50, 5));
    const called = new AbortController();
    const told = vi.fn();
    const other = pool.hold(needs(qwen, 50, 5), called.signal, told);
    const behind = hold(needs(qwen, 10, 5)); // it would fit, but has its turn after the other
    expect(await waits(Promise.race([other, behind]))).toBe(true);
    expect(told).toHaveBeenCalledTimes(1);
    called.abort(new Error('cancelled'));
    await expect(other).rejects.toThrow('cancelled');
    await leave(await behind);
    await leave(one);
    await expect(pool.hold(needs(qwen, 50, 5), called.signal)).rejects.toThrow('cancelled');
  });

  it('closes what was opened for one who was called away meanwhile', async () => {
    const called = new AbortController();
    const opening = hold(needs(llama, 50, 5), called.signal);
    called.abort(new Error('cancelled'));
    await expect(opening).rejects.toThrow('cancelled');
    expect(bases).toEqual(['open llama', 'close llama']);
  });
});
