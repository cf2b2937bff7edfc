/** Where the engine computes: one of ONNX Runtime's execution providers, the same for every session of a process. */
import { z } from 'zod';

export const Provider = z.enum(['cpu', 'cuda', 'webgpu']).default('cpu');
export type Provider = z.infer<typeof Provider>;

/** Why a provider cannot be used here, in words for whoever set PATCHBAY_RUNNER_PROVIDER. */
export class ProviderError extends Error {
  override readonly name = 'ProviderError';

  constructor(provider: Provider, why: string) {
    super(`PATCHBAY_RUNNER_PROVIDER is ${provider}, which cannot be used here: ${why}`);
  }
}

/** Threads share the environment of their process, so none has to be told. */
export function chosenProvider(): Provider {
  return Provider.parse(process.env['PATCHBAY_RUNNER_PROVIDER']);
}

/** Where the loader looks for libraries first. */
export const libraryPath = (): string | undefined => process.env['LD_LIBRARY_PATH'];
