/** What the publisher could do better the next time, from the shape of the update. */
import type { ModuleSpectrum } from '../../functions/verify.ts';

/** From this rank on, the parameters would do more in other modules (Hu et al. 2021, section 7.1). */
const LARGE_RANK = 16;

export function adviceOf(spectrum: readonly ModuleSpectrum[]): string[] {
  const rank = Math.max(...spectrum.map((module) => module.rank));
  const enough = Math.max(...spectrum.map(({ rankFor99 }) => rankFor99));
  const kinds = new Set(spectrum.map(({ module }) => module.split('.').at(-1)!));
  const saved = Math.round(100 * (1 - enough / rank));
  return [
    2 * enough <= rank
      ? `Rank ${enough} keeps 99% of the energy of every module: with it the file would be ${saved}% smaller than with rank ${rank}.`
      : '',
    kinds.size <= 2 && rank >= LARGE_RANK
      ? `Rank ${rank} on ${[...kinds].join(' and ')} alone: the same number of parameters on more kinds of modules, at a smaller rank, usually learns more.`
      : '',
  ].filter((advice) => advice !== '');
}
