/** What a person sees, or with --json what a program reads. */
import { type Options as BarOptions, Presets, SingleBar } from 'cli-progress';
import { onInterrupt } from './interrupt.ts';

export interface Output {
  readonly json: boolean;
  readonly isTerminal: boolean;
}

export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

export function note(text: string): void {
  process.stderr.write(`${text}\n`);
}

/**
 * Cards and answers are written by strangers: without control characters (C0 but for tab and line feed, DEL, C1) they
 * cannot steer the terminal.
 */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '');
}

export function result(output: Output, value: unknown, text: () => string): void {
  print(output.json ? JSON.stringify(value) : printable(text()));
}

/** Columns as wide as their widest cell; the last one is cut to the terminal. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)));
  const limit = process.stdout.isTTY ? process.stdout.columns : Number.POSITIVE_INFINITY;
  const line = (cells: readonly string[]) => {
    const text = cells.map((cell, i) => (i === cells.length - 1 ? cell : cell.padEnd(widths[i]!))).join('  ');
    return text.length > limit ? `${text.slice(0, limit - 1)}…` : text;
  };
  return [header, ...rows].map(line).join('\n');
}

export function bytes(count: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, count)) / 3));
  return `${power === 0 ? count : (count / 1000 ** power).toFixed(1)} ${units[power]}`;
}

export interface Progress {
  add(count: number): void;
  done(): void;
}

/** A bar on a terminal; elsewhere one line, so that logs stay readable. Standard error: output stays clean. */
export function progress(output: Output, what: string, total: number): Progress {
  if (output.json || total === 0) return { add: () => undefined, done: () => undefined };
  if (!output.isTerminal) {
    note(`${what} ${bytes(total)}`);
    return { add: () => undefined, done: () => undefined };
  }
  const options: BarOptions = {
    format: `${what} {bar} {percentage}% | {done} of {size} | {eta_formatted} left`,
    stream: process.stderr,
    hideCursor: true,
    clearOnComplete: false,
    etaBuffer: 50,
  };
  const bar = new SingleBar(options, Presets.shades_classic);
  let done = 0;
  const interruption = onInterrupt(() => bar.stop()); // it hides the cursor, and has lines not wrap
  bar.start(total, 0, { done: bytes(0), size: bytes(total) });
  return {
    add: (count) => {
      done += count;
      bar.update(done, { done: bytes(done) });
    },
    done: () => {
      bar.stop();
      interruption[Symbol.dispose]();
    },
  };
}
