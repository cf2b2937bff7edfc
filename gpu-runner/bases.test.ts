import { describe, expect, it } from 'vitest';
import type { BaseSource } from '../functions/generate.ts';
import { Bases, type Servable } from './bases.ts';

const source = (name: string, size: number): BaseSource => ({
  id: `owner/${name}`,
  digest: name.repeat(64).slice(0, 64),
  files: [{ path: 'model.safetensors', size, sha256: '0'.repeat(64), url: 'http://127.0.0.1/' }],
});

class Base implements Servable {
  isAlive = true;
  readonly id: string;

  constructor(id: string) {
    this.id = id;
  }

  async close(): Promise<void> {
    this.isAlive = false;
  }
}

function basesWithin(limit: number) {
  const loads: string[] = [];
  const bases = new Bases(async ({ id }) => {
    loads.push(id);
    return new Base(id);
  }, limit);
  const use = async (wanted: BaseSource) => {
    using held = new DisposableStack();
    return bases.hold(wanted, held).then((base) => base.id);
  };
  return { bases, loads, use, ids: () => bases.loaded.map(({ base }) => base.id) };
}

const [a, b, c] = [source('a', 40), source('b', 40), source('c', 40)];

describe('bases in memory', () => {
  it('loads one once for all who ask at once', async () => {
    const { loads, use } = basesWithin(100);
    await Promise.all([use(a), use(a), use(a)]);
    expect(loads).toEqual(['owner/a']);
  });

  it('lets the one go that was asked for longest ago', async () => {
    const { use, ids } = basesWithin(100);
    for (const wanted of [a, b, a, c]) await use(wanted);
    expect(ids()).toEqual(['owner/a', 'owner/c']);
  });

  it('keeps those in use, and says that it is busy where nothing else can go', async () => {
    const { bases, use, ids } = basesWithin(100);
    const held = new DisposableStack();
    await bases.hold(a, held);
    await use(b);
    await use(c);
    expect(ids()).toEqual(['owner/a', 'owner/c']);
    await bases.hold(c, held);
    await expect(use(b)).rejects.toMatchObject({ code: 'busy' });
    held.dispose();
    await use(b);
    expect(ids()).toEqual(['owner/c', 'owner/b']);
  });

  it('refuses what alone is too large, and what failed is tried again', async () => {
    const { use } = basesWithin(30);
    await expect(use(a)).rejects.toMatchObject({ code: 'base_unsupported' });
    let attempts = 0;
    const failing = new Bases<Base>(async ({ id }) => {
      if (++attempts === 1) throw new Error('no such file');
      return new Base(id);
    }, 100);
    using held = new DisposableStack();
    await expect(failing.hold(a, held)).rejects.toThrow('no such file');
    expect((await failing.hold(a, held)).id).toBe('owner/a');
  });

  it('loads anew what died', async () => {
    const { bases, loads, use } = basesWithin(100);
    await use(a);
    bases.loaded[0]!.base.isAlive = false;
    await use(a);
    expect(loads).toEqual(['owner/a', 'owner/a']);
  });
});
