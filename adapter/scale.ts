/**
 * Rank and scale of each module. `rank_pattern` and `alpha_pattern` map regular expressions to numbers, and PEFT takes the
 * first key that matches `(.*\.)?(KEY)$`. They come from strangers: a key of plain names is compared here, character by
 * character; any other runs in RE2, which takes time linear in the text whatever the expression. What RE2 cannot express
 * (look-around, back-references), and counted repetition, which makes its programs large, is refused by name.
 */
import { RE2JS } from 're2js';
import { AdapterError } from './error.ts';
import type { PeftConfig } from './peft-config.ts';

/** Characters of all expressions that are not plain names: with 3,584 modules (512 layers) the worst ones match within seconds. */
export const MAX_EXPRESSION_CHARACTERS = 1024;

export interface ModuleScale {
  readonly rank: number;
  readonly alpha: number;
  /** What B A is multiplied by: alpha / r, or alpha / sqrt(r) with rsLoRA (Kalajdzievski 2023). */
  readonly scale: number;
}

type Matcher = (module: string) => boolean;

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

/** @returns keys of a pattern that none of these modules takes its number from. @throws AdapterError pattern_unsupported */
export function keysWithoutMatch(
  field: string,
  patterns: Readonly<Record<string, number>>,
  modules: readonly string[],
): string[] {
  // By its place instead of its number: two keys may have the same one.
  const places = compile(field, Object.fromEntries(Object.keys(patterns).map((key, i) => [key, i])));
  const used = new Set(modules.map(places));
  return Object.keys(patterns).filter((_, i) => !used.has(i));
}

function compile(
  field: string,
  patterns: Readonly<Record<string, number>>,
): (module: string) => number | undefined {
  let characters = 0;
  const compiled = Object.entries(patterns).map(([key, value]) => {
    const plain = plainName(key);
    if (plain) return { matches: plain, value };
    characters += key.length;
    if (characters > MAX_EXPRESSION_CHARACTERS) {
      throw unsupported(
        field,
        `has expressions of more than ${MAX_EXPRESSION_CHARACTERS} characters together; write plain module names`,
      );
    }
    return { matches: expression(field, key), value };
  });
  return (module) => compiled.find(({ matches }) => matches(module))?.value;
}

const PLAIN_NAME = /^\^?(?:[\w-]|\\?\.)+$/;

/** A key of names and dots, such as `layers.0.mlp.down_proj`. A dot that is not escaped stands for any character. */
function plainName(key: string): Matcher | undefined {
  if (!PLAIN_NAME.test(key)) return undefined;
  const whole = key.startsWith('^'); // nothing may come before it, not even the prefix that PEFT allows
  const characters = key.slice(whole ? 1 : 0).match(/\\\.|./g)!;
  return (module) => {
    const start = module.length - characters.length;
    if (start < 0 || (start > 0 && (whole || module[start - 1] !== '.'))) return false;
    return characters.every((char, i) => char === '.' || char.at(-1) === module[start + i]);
  };
}

function expression(field: string, key: string): Matcher {
  const quoted = JSON.stringify(key);
  if (key.includes('{'))
    throw unsupported(field, `has the key ${quoted}; counted repetition is not supported`);
  try {
    const pattern = RE2JS.compile(`(.*\\.)?(${key})$`);
    return (module) => pattern.matcher(module).lookingAt();
  } catch (error) {
    throw unsupported(
      field,
      `has the key ${quoted}, which cannot be matched safely: ${(error as Error).message}`,
    );
  }
}

function unsupported(field: string, what: string): AdapterError {
  return new AdapterError('pattern_unsupported', `${field} ${what}.`, field);
}
