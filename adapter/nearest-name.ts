/** What a name was probably meant to be that nobody knows. */

/**
 * Of the names that are known, the one that takes the fewest edits.
 * @param mostSlips changes of one character beyond which a name is another name, not a slip
 */
export function nearestName(name: string, known: Iterable<string>, mostSlips: number): string | undefined {
  let best: string | undefined;
  let least = mostSlips + 1;
  for (const one of known) {
    if (Math.abs(one.length - name.length) >= least) continue;
    const distance = editDistance(name, one);
    if (distance < least) [best, least] = [one, distance];
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
