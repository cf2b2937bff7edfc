/** An adapter on all seven linears of every layer, of any rank. */
import type { BaseConfig } from '../../adapter/base-config.ts';
import { LAYER_LINEARS, linearSizes, modulePath } from '../model/llama.ts';
import type { LoadedAdapter } from '../serve/composition.ts';

/** @param digest decides its values */
export function madeUpAdapter(config: BaseConfig, digest: string, rank: number): LoadedAdapter {
  const sizes = linearSizes(config);
  let state = [...digest].reduce((sum, char) => Math.imul(sum, 31) + char.codePointAt(0)!, 7);
  const values = (count: number) =>
    Float32Array.from({ length: count }, () => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return (state / 2 ** 32 - 0.5) * 0.1;
    });
  const modules = Array.from({ length: config.layers }, (_, layer) =>
    LAYER_LINEARS.map((kind) => ({
      module: modulePath(kind, layer),
      rank,
      scale: 1,
      a: values(rank * sizes[kind].in),
      b: values(rank * sizes[kind].out),
    })),
  ).flat();
  return { digest, bytes: 0, modules };
}
