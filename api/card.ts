/** What a model card says about itself: YAML front matter between `---` lines, then Markdown. Anything may be missing. */
import { parse } from 'yaml';
import { z } from 'zod';

export interface CardFacts {
  readonly title: string | undefined;
  readonly summary: string | undefined;
  readonly task: string | undefined;
  readonly license: string | undefined;
  readonly languages: readonly string[];
  readonly tags: readonly string[];
}

/** A NUL, which YAML can write and Postgres cannot hold, has no place in any of these. */
const plain = (max: number) =>
  z
    .string()
    .max(max)
    .refine((text) => !text.includes('\0'), 'must not hold NUL');
const word = plain(100).min(1);
const words = z.union([word.transform((one) => [one]), z.array(word).max(50)]);
/** A field with nothing behind its colon is null in YAML, and says nothing. */
const FrontMatter = z.object({
  title: plain(200).nullish(),
  summary: plain(500).nullish(),
  task: word.nullish(),
  pipeline_tag: word.nullish(),
  license: word.nullish(),
  language: words.nullish(),
  tags: words.nullish(),
});

export class CardError extends Error {
  override readonly name = 'CardError';
  readonly reasons: readonly string[];

  constructor(reasons: readonly string[]) {
    super(reasons.join('\n'));
    this.reasons = reasons;
  }
}

/** @throws CardError when the front matter is there but is not YAML of the known shape */
export function readCard(card: string): CardFacts {
  const match = /^---\r?\n([\s\S]*?)\r?\n---\r?\n?/.exec(card);
  const facts = match ? parseFrontMatter(match[1] ?? '') : {};
  const body = match ? card.slice(match[0].length) : card;
  return {
    title: facts.title ?? /^#\s+(.+)$/m.exec(body)?.[1]?.trim().slice(0, 200),
    summary: facts.summary ?? firstParagraph(body),
    task: facts.task ?? facts.pipeline_tag ?? undefined,
    license: facts.license ?? undefined,
    languages: facts.language ?? [],
    tags: facts.tags ?? [],
  };
}

function parseFrontMatter(text: string): z.infer<typeof FrontMatter> {
  let value: unknown;
  try {
    value = parse(text, { maxAliasCount: 10 }) ?? {};
  } catch (error) {
    throw new CardError([
      `README.md: the front matter is not YAML: ${(error as Error).message.split('\n')[0]}`,
    ]);
  }
  const checked = FrontMatter.safeParse(value);
  if (checked.success) return checked.data;
  throw new CardError(
    checked.error.issues.map(
      ({ path, message }) => `README.md: front matter field ${path.join('.') || '(all)'}: ${message}`,
    ),
  );
}

function firstParagraph(body: string): string | undefined {
  const paragraph = body
    .split(/\r?\n\s*\r?\n/)
    .map((text) => text.trim())
    .find((text) => text && !/^[#|>`!<-]/.test(text));
  return paragraph?.replace(/\s+/g, ' ').slice(0, 500);
}
