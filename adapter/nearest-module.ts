/** What a module of an adapter was probably meant to be, where the base has none of that path. */
import type { ModuleTable } from './base-config.ts';

/** Changes of one character beyond which a name is another name, not a slip. */
const MAX_SLIPS = 8;

/** The module whose path takes the fewest edits: most unknown modules are right but for a prefix, a layer or a letter. */
export function nearestModule(module: string, modules: ModuleTable): string | undefined {
  let best: string | undefined;
  let least = MAX_SLIPS + 1;
  for (const known of modules.keys()) {
    if (Math.abs(known.length - module.length) >= least) continue;
    const distance = editDistance(module, known);
    if (distance < least) [best, least] = [known, distance];
  }
  return best;
}

/** Levenshtein's: insertions, deletions and substitutions, row by row of the table. */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, i) => i);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const substituted = row[j - 1]! + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(substituted, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row.at(-1)!;
}
