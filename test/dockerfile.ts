/** Reads a Dockerfile as far as ours go: stages, and what each copies, sets and runs. */
import { readFileSync } from 'node:fs';

export interface Copy {
  /** The stage that it is taken from; absent: the repository. */
  readonly from: string | undefined;
  readonly sources: readonly string[];
  readonly to: string;
}

export interface Stage {
  readonly name: string;
  /** An image, or an earlier stage. */
  readonly base: string;
  readonly instructions: readonly (readonly [keyword: string, rest: string])[];
}

export function readDockerfile(path: string): readonly Stage[] {
  const stages: Stage[] = [];
  const text = readFileSync(path, 'utf8')
    .replace(/^\s*#.*$/gm, '')
    .replace(/\\\n/g, ' ');
  for (const line of text.split('\n').map((line) => line.trim())) {
    const [, keyword, rest] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? [];
    if (!keyword || !rest) continue;
    if (keyword === 'FROM') {
      const [base, , name] = rest.split(/\s+/);
      stages.push({ base: base!, name: name ?? String(stages.length), instructions: [] });
    } else {
      (stages.at(-1)!.instructions as [string, string][]).push([keyword, rest]);
    }
  }
  return stages;
}

/** The instructions of a stage after those of the stages that it is built on. */
export function withBases(stages: readonly Stage[], name: string): readonly (readonly [string, string])[] {
  const stage = stages.find((one) => one.name === name)!;
  const isStage = stages.some((one) => one.name === stage.base);
  return [...(isStage ? withBases(stages, stage.base) : []), ...stage.instructions];
}

type Instructions = readonly (readonly [string, string])[];

const restOf = (instructions: Instructions, keyword: string) =>
  instructions.filter(([name]) => name === keyword).map(([, rest]) => rest);

export function copies(instructions: Instructions): readonly Copy[] {
  return restOf(instructions, 'COPY').map((rest) => {
    const words = rest.split(/\s+/);
    const from = words[0]!.startsWith('--from=') ? words.shift()!.slice('--from='.length) : undefined;
    return { from, sources: words.slice(0, -1), to: words.at(-1)! };
  });
}

export function environmentOf(instructions: Instructions): Record<string, string> {
  const pairs = restOf(instructions, 'ENV').flatMap((rest) => rest.trim().split(/\s+/));
  return Object.fromEntries(pairs.map((pair) => pair.split(/=(.*)/s).slice(0, 2) as [string, string]));
}

export const userOf = (instructions: Instructions): string | undefined => restOf(instructions, 'USER').at(-1);

/** The words of the last ENTRYPOINT, CMD or HEALTHCHECK, as JSON. */
export function wordsOf(
  instructions: Instructions,
  keyword: 'ENTRYPOINT' | 'CMD' | 'HEALTHCHECK',
): readonly string[] {
  const rest = restOf(instructions, keyword).at(-1) ?? '[]';
  return JSON.parse(rest.slice(rest.indexOf('['))) as string[];
}
