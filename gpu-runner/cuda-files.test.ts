import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { libraryFolder, missingForCuda, missingOf } from './cuda-files.ts';

describe.skipIf(process.platform !== 'linux')('what CUDA needs on disk', () => {
  let folder: string;
  const library = join(libraryFolder(), 'libonnxruntime.so.1');

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'patchbay-cuda-'));
  });

  afterEach(() => rm(folder, { recursive: true }));

  it('is what a library is linked against and the loader does not find', async () => {
    expect(await missingOf(library)).toEqual([]);
    const lacking = join(folder, 'lacking.so');
    const bytes = await readFile(library);
    bytes.write('libstdc++.so.7', bytes.indexOf('libstdc++.so.6'));
    await writeFile(lacking, bytes);
    expect(await missingOf(lacking)).toEqual(['libstdc++.so.7']);
  });

  it('is all named where nothing is there', async () => {
    expect(await missingForCuda(folder, '')).toEqual([
      'libonnxruntime_providers_shared.so',
      'libonnxruntime_providers_cuda.so',
      'libcudnn.so.9',
      'libcufft.so.12',
      'libnvrtc.so.13',
    ]);
  });

  it('is nothing where all is there', async () => {
    const names = await missingForCuda(folder, '');
    await Promise.all(names.map((name) => copyFile(library, join(folder, name))));
    expect(await missingForCuda(folder, `/nowhere:${folder}`)).toEqual([]);
  });
});
