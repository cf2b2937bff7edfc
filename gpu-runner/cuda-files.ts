/**
 * What ONNX Runtime needs on disk before it can compute on CUDA. The npm package has none of it: two provider libraries go
 * beside `libonnxruntime.so.1`, they link against CUDA 13, and open cuDNN, cuFFT and NVRTC by name when a kernel wants them.
 * gpu-runner/Dockerfile brings all but the driver, which is the host's.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { arch, platform } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const PROVIDER_FILES = ['libonnxruntime_providers_shared.so', 'libonnxruntime_providers_cuda.so'];
/** Opened by name, so that the loader does not miss them before the first kernel does. */
const OPENED_LATER = ['libcudnn.so.9', 'libcufft.so.12', 'libnvrtc.so.13'];
/** The driver's, for the kernel module that the host runs. */
export const DRIVER = 'libcuda.so.1';

/** The folder of onnxruntime-node's own libraries. */
export function libraryFolder(): string {
  const main = createRequire(import.meta.url).resolve('onnxruntime-node');
  return join(dirname(main), `../bin/napi-v6/${platform()}/${arch()}`);
}

/** @param libraryPath the loader's, LD_LIBRARY_PATH. @returns the names of files that are not there, none twice */
export async function missingForCuda(folder: string, libraryPath: string | undefined): Promise<string[]> {
  const absent = PROVIDER_FILES.filter((file) => !existsSync(join(folder, file)));
  const present = PROVIDER_FILES.filter((file) => !absent.includes(file));
  const linked = await Promise.all(present.map((file) => missingOf(join(folder, file))));
  const later = await Promise.all(OPENED_LATER.map((name) => missingNamed(name, libraryPath ?? '')));
  return [...new Set([absent, linked, later].flat(2))];
}

/** What a library is linked against, and the loader does not find. */
export async function missingOf(library: string): Promise<string[]> {
  // Of glibc: a script that asks the loader, without running the library.
  const { stdout } = await promisify(execFile)('ldd', [library]);
  return [...stdout.matchAll(/^\s*(\S+) => not found$/gm)].map(([, name]) => name!);
}

/** The same for one that is opened by name. */
async function missingNamed(name: string, libraryPath: string): Promise<string[]> {
  const path = libraryPath
    .split(':')
    .map((folder) => join(folder, name))
    .find(existsSync);
  return path === undefined ? [name] : missingOf(path);
}
