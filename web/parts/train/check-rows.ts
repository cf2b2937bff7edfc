/** Reads a training file as the runner will, line by line, before it is sent. */
import { type Problem, parseRow, RowError } from '../../../adapter/training-rows.ts';

const MAX_PROBLEMS = 20;
/** Characters of a token, about: the runner counts them exactly. */
const CHARACTERS_OF_TOKEN = 4;
/** Between two looks at the screen. */
const LINES_AT_ONCE = 5_000;

export interface RowsReport {
  readonly rows: number;
  readonly formats: readonly string[];
  /** An estimate. */
  readonly tokens: number;
  readonly duplicates: number;
  readonly problems: readonly Problem[];
  readonly problemCount: number;
}

export async function checkRows(file: File): Promise<RowsReport> {
  const formats = new Set<string>();
  const seen = new Set<string>();
  const problems: Problem[] = [];
  let [line, rows, characters, duplicates, problemCount] = [0, 0, 0, 0, 0];
  const refuse = (problem: Omit<Problem, 'line'>) => {
    problemCount++;
    if (problems.length < MAX_PROBLEMS) problems.push({ line, ...problem });
  };
  for await (const text of linesOf(file)) {
    line++;
    if (line % LINES_AT_ONCE === 0) await new Promise((resolve) => setTimeout(resolve));
    const row = text.trim();
    if (!row) continue;
    rows++;
    characters += row.length;
    if (seen.has(row)) duplicates++;
    else seen.add(row);
    try {
      formats.add(parseRow(row).format);
    } catch (error) {
      if (!(error instanceof RowError)) throw error;
      refuse({ message: error.message, ...(error.field === undefined ? {} : { field: error.field }) });
    }
  }
  return {
    rows,
    formats: [...formats],
    tokens: Math.round(characters / CHARACTERS_OF_TOKEN),
    duplicates,
    problems,
    problemCount,
  };
}

async function* linesOf(file: File): AsyncGenerator<string> {
  const reader = file.stream().pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    const lines = (rest + value).split('\n');
    rest = lines.pop()!;
    yield* lines;
  }
  yield rest;
}
