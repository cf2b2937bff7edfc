/** Lines of a file of any size, read a piece at a time. */
import { createReadStream } from 'node:fs';

const NEWLINE = 0x0a;
const BOM = '\u{FEFF}';

export class LineError extends Error {
  override readonly name = 'LineError';
  readonly line: number;

  constructor(line: number, message: string) {
    super(message);
    this.line = line;
  }
}

export interface Line {
  /** From 1. */
  readonly number: number;
  readonly text: string;
}

/** Lines that are not blank. @throws LineError for one that is longer than `maxBytes`, or not UTF-8 */
export async function* linesOf(path: string, maxBytes: number): AsyncGenerator<Line> {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  let number = 0;
  let pieces: Buffer[] = [];
  let size = 0;
  const take = (): Line => {
    number++;
    const bytes = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
    pieces = [];
    size = 0;
    return { number, text: decoded(bytes) };
  };
  const decoded = (bytes: Buffer): string => {
    try {
      const text = decoder.decode(bytes);
      return (number === 1 && text.startsWith(BOM) ? text.slice(1) : text).trim();
    } catch {
      throw new LineError(number, 'is not UTF-8 text');
    }
  };
  const hold = (piece: Buffer): void => {
    pieces.push(piece);
    size += piece.length;
    if (size > maxBytes)
      throw new LineError(number + 1, `is longer than ${maxBytes} bytes; cut it into several rows`);
  };
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    let begin = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, begin)) {
      hold(chunk.subarray(begin, end));
      begin = end + 1;
      const line = take();
      if (line.text) yield line;
    }
    if (begin < chunk.length) hold(chunk.subarray(begin));
  }
  if (size === 0) return;
  const last = take();
  if (last.text) yield last;
}
