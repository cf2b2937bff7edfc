/** Whether the provider that was chosen can be used here, asked before a runner takes work. */
import { DRIVER, libraryFolder, missingForCuda } from './cuda-files.ts';
import { Graph } from './graph/graph.ts';
import { writeOnnx } from './graph/onnx.ts';
import { add } from './graph/operations.ts';
import { chosenProvider, libraryPath, type Provider, ProviderError } from './provider.ts';
import { floats, Session } from './session.ts';

/** Computes 1 + 1: else a runner that cannot would find out at its first request. @throws ProviderError */
export async function tryProvider(): Promise<void> {
  const graph = new Graph();
  const x = graph.input('x', 'float32', [1]);
  graph.output(add(graph, x, x), 'sum');
  try {
    const session = await Session.open(writeOnnx(graph, 'patchbay'), { threads: 1 });
    await session.run({ x: floats(Float32Array.of(1), [1]) }, ['sum']);
    await session.release();
  } catch (error) {
    const provider = chosenProvider();
    throw new ProviderError(provider, await whyNot(provider, error as Error));
  }
}

/** ONNX Runtime says no more than "failed to load shared library". */
async function whyNot(provider: Provider, error: Error): Promise<string> {
  if (provider === 'webgpu' && /No supported adapters/.test(error.message))
    return 'no GPU that its driver offers to Vulkan was found. The image built with --target webgpu has the loader.';
  const missing =
    provider === 'cuda' && process.platform === 'linux'
      ? await missingForCuda(libraryFolder(), libraryPath())
      : [];
  if (missing.length === 0) return error.message.split('\n')[0]!;
  const files = missing.filter((file) => file !== DRIVER);
  const advice = [
    files.length > 0 && 'The image built with --target cuda has what it needs.',
    missing.includes(DRIVER) && `${DRIVER} is the host's driver, which \`docker run --gpus all\` lends.`,
  ];
  return [`${missing.join(', ')} not found.`, ...advice.filter(Boolean)].join(' ');
}
