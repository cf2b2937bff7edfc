/**
 * Rank and scale of each module. `rank_pattern` and `alpha_pattern` map regular expressions to numbers, and PEFT takes the
 * first key that matches `(.*\.)?(KEY)$`. They come from strangers, so they run in RE2, which takes time linear in the text
 * whatever the expression; what RE2 cannot express (look-around, back-references) is refused by name.
 */
import { RE2JS } from 're2js';
import { AdapterError } from './error.ts';
import type { PeftConfig } from './peft-config.ts';

export interface ModuleScale {
  readonly rank: number;
  readonly alpha: number;
  /** What B A is multiplied by: alpha / r, or alpha / sqrt(r) with rsLoRA (Kalajdzievski 2023). */
  readonly scale: number;
}

/** @returns what the configuration says of a module path. @throws AdapterError pattern_unsupported */
export function moduleScales(config: PeftConfig): (module: string) => ModuleScale {
  const ranks = compile('rank_pattern', config.rankPattern);
  const alphas = compile('alpha_pattern', config.alphaPattern);
  return (module) => {
    const rank = ranks(module) ?? config.rank;
    const alpha = alphas(module) ?? config.alpha;
    return { rank, alpha, scale: alpha / (config.useRslora ? Math.sqrt(rank) : rank) };
  };
}

function compile(
  field: string,
  patterns: Readonly<Record<string, number>>,
): (module: string) => number | undefined {
  const compiled = Object.entries(patterns).map(([key, value]) => {
    try {
      return { pattern: RE2JS.compile(`(.*\\.)?(${key})$`), value };
    } catch (error) {
      throw new AdapterError(
        'pattern_unsupported',
        `${field} has the key ${JSON.stringify(key)}, which cannot be matched safely: ${(error as Error).message}.`,
        field,
      );
    }
  });
  return (module) => compiled.find(({ pattern }) => pattern.matcher(module).lookingAt())?.value;
}
