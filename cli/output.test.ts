import { afterEach, describe, expect, it, vi } from 'vitest';
import { CliError, EXIT, list } from './errors.ts';
import { bytes, printable, progress, table } from './output.ts';

afterEach(() => vi.restoreAllMocks());

it.each([
  [0, '0 B'],
  [999, '999 B'],
  [1000, '1.0 kB'],
  [55_296_000, '55.3 MB'],
  [5e15, '5000.0 TB'],
])('writes %i bytes as %s', (count, text) => {
  expect(bytes(count)).toBe(text);
});

it('aligns columns, but for the last', () => {
  expect(
    table(
      ['A', 'B'],
      [
        ['long', 'x'],
        ['s', 'yy'],
      ],
    ),
  ).toBe('A     B\nlong  x\ns     yy');
});

it('lets no text steer the terminal', () => {
  expect(printable('a\tb\nc\u001b[2J\u009b31m\u007f\rd é 語')).toBe('a\tb\nc[2J31md é 語');
});

describe('progress', () => {
  it('is one line where there is no terminal, and none with --json', () => {
    const written = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    const bar = progress({ json: false, isTerminal: false }, 'uploading', 2000);
    bar.add(2000);
    bar.done();
    progress({ json: true, isTerminal: false }, 'uploading', 2000).done();
    expect(written.mock.calls).toEqual([['uploading 2.0 kB\n']]);
  });
});

it('shows the first ten reasons of many', () => {
  const text = list(Array.from({ length: 12 }, (_, i) => `reason ${i + 1}`));
  expect(text).toContain('- reason 10\n… and 2 more');
});

it('gives every kind of failure an exit code of its own', () => {
  expect(new Set(Object.values(EXIT)).size).toBe(Object.values(EXIT).length);
  expect(new CliError(EXIT.refused, 'no').exitCode).toBe(5);
});
