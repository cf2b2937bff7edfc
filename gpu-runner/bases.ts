/**
 * Bases in memory, within a limit of bytes. One that nobody uses makes room for another, the one asked for longest ago first; one
 * that is in use stays. What counts is the size of the weights as files.
 */
import type { BaseSource } from '../functions/generate.ts';
import { Fault } from './faults.ts';

/** A base as it is served: whatever that is, it can be alive and it can be closed. */
export interface Servable {
  readonly isAlive: boolean;
  close(): Promise<void>;
}

interface Entry<T> {
  readonly bytes: number;
  readonly opening: Promise<T>;
  base: T | undefined;
  users: number;
}

export class Bases<T extends Servable> {
  private readonly load: (source: BaseSource) => Promise<T>;
  private readonly limit: number;
  /** By digest; the one asked for last comes last. */
  private readonly entries = new Map<string, Entry<T>>();

  constructor(load: (source: BaseSource) => Promise<T>, limit: number) {
    this.load = load;
    this.limit = limit;
  }

  /** Those that are loaded, with their digests. */
  get loaded(): { digest: string; base: T }[] {
    return [...this.entries].flatMap(([digest, { base }]) => (base?.isAlive ? [{ digest, base }] : []));
  }

  /** The base, which stays until `held` is disposed of. @throws Fault */
  async hold(source: BaseSource, held: DisposableStack): Promise<T> {
    const { digest } = source;
    const entry = this.living(digest) ?? this.open(source);
    this.entries.delete(digest);
    this.entries.set(digest, entry);
    entry.users++;
    held.defer(() => entry.users--);
    return entry.opening;
  }

  async close(): Promise<void> {
    await Promise.allSettled([...this.entries.values()].map(async ({ opening }) => (await opening).close()));
  }

  private living(digest: string): Entry<T> | undefined {
    const entry = this.entries.get(digest);
    if (!entry?.base || entry.base.isAlive) return entry;
    void entry.base.close(); // its thread died: what is left of it goes, and it is loaded anew
    return undefined;
  }

  private open(source: BaseSource): Entry<T> {
    const { id, digest } = source;
    const bytes = weightBytes(source);
    if (bytes > this.limit)
      throw new Fault(
        'base_unsupported',
        `The weights of ${id} have ${bytes} bytes; this runner keeps ${this.limit} in memory.`,
      );
    const leaving = this.makeRoom(bytes, digest);
    const opening = leaving.then(() => this.load(source));
    const entry: Entry<T> = { bytes, opening, base: undefined, users: 0 };
    opening.then(
      (base) => {
        entry.base = base;
      },
      () => {
        if (this.entries.get(digest) === entry) this.entries.delete(digest);
      },
    );
    return entry;
  }

  /** @throws Fault busy: everything that is loaded is in use */
  private async makeRoom(bytes: number, digest: string): Promise<void> {
    const others = [...this.entries].filter(([other]) => other !== digest);
    let taken = others.reduce((sum, [, entry]) => sum + entry.bytes, 0);
    const leaving: [string, Entry<T>][] = [];
    for (const [other, entry] of others) {
      if (taken + bytes <= this.limit) break;
      if (entry.users > 0 || !entry.base) continue;
      taken -= entry.bytes;
      leaving.push([other, entry]);
    }
    if (taken + bytes > this.limit)
      throw new Fault('busy', 'The memory of this runner is taken by other bases, which are in use.');
    for (const [other] of leaving) this.entries.delete(other);
    await Promise.all(leaving.map(([, entry]) => entry.base?.close()));
  }
}

function weightBytes({ files }: BaseSource): number {
  return files.reduce((sum, { path, size }) => sum + (path.endsWith('.safetensors') ? size : 0), 0);
}
