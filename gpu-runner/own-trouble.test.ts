import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Fault } from './faults.ts';
import { FileMissing } from './fetch-file.ts';
import { Graph } from './graph/graph.ts';
import { writeOnnx } from './graph/onnx.ts';
import { isOutOfMemory, isOwnTrouble, Rest } from './own-trouble.ts';
import { LeaseEnded, Unreachable } from './runner-api.ts';
import { int64s, Session } from './session.ts';

describe('trouble that is not the job’s', () => {
  it.each([
    ['a full disk', Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })],
    [
      'a full disk, of which another thread told',
      new Error('Error: ENOSPC: no space left on device\n  at write'),
    ],
    ['a full disk, behind a fault', new Fault('internal', 'failed', undefined, 'Error: EIO: i/o error')],
    ['a folder of somebody else', new Error("EACCES: permission denied, mkdir '/cache/bases'")],
    ['a folder that nobody may change', new Error('EPERM: operation not permitted, rename')],
    ['a store that cannot be reached', new Fault('fetch_failed', 'model.safetensors could not be fetched')],
    ['an API that cannot be reached', new Unreachable('fetch failed')],
  ])('is %s', (_name, error) => {
    expect(isOwnTrouble(error)).toBe(true);
  });

  it.each([
    ['a file that is not there', new FileMissing('model.safetensors: the object store answered 404')],
    ['a file with other bytes', new Fault('checksum_mismatch', 'is not what it should be')],
    ['an adapter that does not run', new Fault('adapter_invalid', 'scores are not finite')],
    ['a lease that is over', new LeaseEnded('over')],
    ['whatever nobody foresaw', new TypeError('undefined is not a function')],
  ])('is not %s', (_name, error) => {
    expect(isOwnTrouble(error)).toBe(false);
  });
});

describe('too little memory', () => {
  it('is known by what ONNX Runtime says of it', async () => {
    const graph = new Graph();
    const size = graph.input('size', 'int64', [1]);
    const [made] = graph.node('ConstantOfShape', [size], [{ dtype: 'float32', shape: ['N'] }]);
    graph.output(made!, 'made');
    const folder = await mkdtemp(join(tmpdir(), 'patchbay-memory-'));
    const path = join(folder, 'graph.onnx');
    await writeFile(path, writeOnnx(graph, 'test'));
    const session = await Session.open(path, { threads: 1 });
    const more = int64s(BigInt64Array.of(2n ** 50n), [1]);
    const error: unknown = await session.run({ size: more }, ['made']).catch((reason: unknown) => reason);
    await session.release();
    await rm(folder, { recursive: true });
    expect(isOutOfMemory(error), String(error)).toBe(true);
    expect(isOutOfMemory(new Error('told by a thread', { cause: error }))).toBe(true);
    expect(isOwnTrouble(error)).toBe(false); // its owner can do something about it
  });

  it.each(['std::bad_alloc', 'CUDA failure 2: out of memory', 'RangeError: Array buffer allocation failed'])(
    'is %s',
    (words) => {
      expect(isOutOfMemory(new Error(words))).toBe(true);
    },
  );
});

describe('a rest', () => {
  it('is longer each time, until something has gone well', () => {
    const rest = new Rest();
    expect(rest.left).toBe(0);
    rest.begin();
    expect(rest.left).toBeGreaterThan(500);
    rest.begin();
    rest.begin();
    expect(rest.left).toBeGreaterThan(3_000);
    rest.over();
    rest.begin();
    expect(rest.left).toBeLessThanOrEqual(1_000);
  });
});
