/** A training file as tokens, and the report on what was found in it. */
import { createHash } from 'node:crypto';
import { type Format, type Problem, parseRow, RowError } from '../../../adapter/training-rows.ts';
import type { Tokenizer } from '../../model/tokenizer.ts';
import { type Example, examplesOf } from './examples.ts';
import { LineError, linesOf } from './lines.ts';

/** A conversation that fills a context of 128,000 tokens has about 600 kB. */
const MAX_LINE_BYTES = 16 * 2 ** 20;
/** Problems and lines that are named one by one; the rest are counted. */
const MAX_NAMED = 100;

export interface DatasetReport {
  /** Of the rows that could be read; absent where there is none. */
  readonly format: Format | undefined;
  readonly rows: number;
  readonly examples: number;
  readonly tokens: number;
  /** Tokens that are learnt in one epoch. */
  readonly trainedTokens: number;
  /** Tokens of the longest example, before any was cut. */
  readonly longest: number;
  /** Examples that were cut to the longest that is allowed. */
  readonly truncated: number;
  /** Examples that were there before, to the token. */
  readonly duplicates: number;
  /** Rows in which nothing is to be learnt. */
  readonly withoutTarget: Named<number>;
  readonly problems: Named<Problem>;
}

/** All are counted, the first hundred are named. */
export interface Named<T> {
  readonly count: number;
  readonly first: readonly T[];
}

/** Examples one after the other. */
export interface Dataset {
  readonly tokens: Int32Array;
  /** 1: the token at this place is to be learnt. */
  readonly isTarget: Uint8Array;
  /** Where each example begins, and in the end where the last one ends. */
  readonly offsets: Float64Array;
  /** Of the file, from 1: where each example comes from. */
  readonly lines: Int32Array;
  readonly report: DatasetReport;
}

export interface ReadSettings {
  readonly path: string;
  readonly endTokens: readonly number[];
  /** Tokens; longer examples lose their end. */
  readonly maxLength: number;
}

/** @param onRows told how many rows were read, now and then */
export async function readDataset(
  { path, endTokens, maxLength }: ReadSettings,
  tokenizer: Tokenizer,
  onRows: (rows: number) => void,
): Promise<Dataset> {
  const builder = new DatasetBuilder(maxLength);
  try {
    for await (const { number, text } of linesOf(path, MAX_LINE_BYTES)) {
      builder.row(number, () => {
        const row = parseRow(text);
        builder.sameFormat(row.format);
        return examplesOf(row, tokenizer, endTokens);
      });
      onRows(number);
    }
  } catch (error) {
    if (!(error instanceof LineError)) throw error;
    builder.problem({ line: error.line, message: error.message }); // where the next line begins is not known
  }
  return builder.finish();
}

class DatasetBuilder {
  private readonly maxLength: number;
  private readonly tokens = new Growing(Int32Array);
  private readonly isTarget = new Growing(Uint8Array);
  private readonly offsets = [0];
  private readonly lines: number[] = [];
  private readonly digests = new Set<string>();
  private readonly problems: { count: number; first: Problem[] } = { count: 0, first: [] };
  private readonly withoutTarget: { count: number; first: number[] } = { count: 0, first: [] };
  private readonly counts = { rows: 0, trainedTokens: 0, longest: 0, truncated: 0, duplicates: 0 };
  private format: Format | undefined;

  constructor(maxLength: number) {
    this.maxLength = maxLength;
  }

  row(line: number, read: () => readonly Example[]): void {
    this.counts.rows++;
    let examples: readonly Example[];
    try {
      examples = read();
    } catch (error) {
      if (!(error instanceof RowError)) throw error;
      const { field, message } = error;
      this.problem({ line, message, ...(field === undefined ? {} : { field }) });
      return;
    }
    if (examples.filter((example) => this.add(example, line)).length > 0) return;
    if (++this.withoutTarget.count <= MAX_NAMED) this.withoutTarget.first.push(line);
  }

  /** @throws RowError */
  sameFormat(format: Format): void {
    this.format ??= format;
    if (format !== this.format)
      throw new RowError(`has ${format}; the rows before it have ${this.format}`, format.split(' ')[0]);
  }

  problem(problem: Problem): void {
    if (++this.problems.count <= MAX_NAMED) this.problems.first.push(problem);
  }

  finish(): Dataset {
    const { format, problems, withoutTarget } = this;
    return {
      tokens: this.tokens.finish(),
      isTarget: this.isTarget.finish(),
      offsets: Float64Array.from(this.offsets),
      lines: Int32Array.from(this.lines),
      report: {
        format,
        ...this.counts,
        examples: this.offsets.length - 1,
        tokens: this.offsets.at(-1)!,
        withoutTarget,
        problems,
      },
    };
  }

  /** @returns whether there is something to learn in it */
  private add({ tokens, targets }: Example, line: number): boolean {
    const { counts, maxLength } = this;
    const length = Math.min(tokens.length, maxLength);
    const isTarget = new Uint8Array(length);
    for (const { begin, end } of targets) isTarget.fill(1, Math.max(1, begin), Math.min(end, length));
    const trained = isTarget.reduce((sum, one) => sum + one, 0);
    counts.longest = Math.max(counts.longest, tokens.length);
    if (tokens.length > maxLength) counts.truncated++;
    if (trained === 0) return false;
    const kept = Int32Array.from(tokens.slice(0, length));
    const digest = createHash('sha256').update(kept).update(isTarget).digest('base64');
    if (this.digests.has(digest)) counts.duplicates++;
    this.digests.add(digest);
    counts.trainedTokens += trained;
    this.tokens.push(kept);
    this.isTarget.push(isTarget);
    this.offsets.push(this.offsets.at(-1)! + length);
    this.lines.push(line);
    return true;
  }
}

type Numbers = Int32Array<ArrayBuffer> | Uint8Array<ArrayBuffer>;

/** A typed array that grows. */
class Growing<T extends Numbers> {
  private values: T;
  private length = 0;
  private readonly create: new (
    length: number,
  ) => T;

  constructor(create: new (length: number) => T) {
    this.create = create;
    this.values = new create(1024);
  }

  push(more: T): void {
    const length = this.length + more.length;
    if (length > this.values.length) {
      const larger = new this.create(Math.max(length, 2 * this.values.length));
      larger.set(this.values);
      this.values = larger;
    }
    this.values.set(more, this.length);
    this.length = length;
  }

  finish(): T {
    return this.values.slice(0, this.length) as T;
  }
}
