/**
 * Reads `multipart/form-data` (RFC 7578) as it arrives, holding no more than a chunk: the ready-made parsers for web streams
 * collect a part before they hand it out, and files are larger than memory should be.
 */
import { ApiError } from './errors.ts';

export interface Part {
  readonly name: string;
  /** Present: the part is a file. */
  readonly filename: string | undefined;
  /** To be read before the next part is asked for; what is not read is skipped. */
  readonly content: AsyncGenerator<Uint8Array>;
}

const MAX_HEADER = 16 * 1024;
const CR = 13;
const encode = (text: string) => new TextEncoder().encode(text);
const malformed = (what: string) => new ApiError('invalid_request', `The multipart body ${what}.`);

/** @throws ApiError invalid_request for another content type, and while reading, for a body that is cut off or malformed */
export function readMultipart(request: Request): AsyncGenerator<Part> {
  const type = request.headers.get('content-type') ?? '';
  const [, quoted, plain] =
    /^multipart\/form-data\s*;.*?boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))/i.exec(type) ?? [];
  const boundary = quoted ?? plain;
  if (!boundary) {
    throw new ApiError('invalid_request', 'The body must be multipart/form-data with a boundary.');
  }
  return parts(new Source(request.body), encode(`\r\n--${boundary}`));
}

async function* parts(source: Source, delimiter: Uint8Array): AsyncGenerator<Part> {
  await skip(source.until(delimiter));
  for (;;) {
    const after = await source.take(2);
    if (after === '--') return;
    if (after !== '\r\n') throw malformed('has text behind a boundary');
    const header = await source.header();
    const disposition = /^content-disposition:\s*form-data\s*;(.*)$/im.exec(header)?.[1] ?? '';
    const name = parameter(disposition, 'name');
    if (name === undefined) throw malformed('has a part without a name');
    const content = source.until(delimiter);
    yield { name, filename: parameter(disposition, 'filename'), content };
    await skip(content);
  }
}

/** Browsers and fetch escape quotes as %22 (WHATWG form submission). */
function parameter(disposition: string, name: string): string | undefined {
  const found = new RegExp(`(?:^|;)\\s*${name}="([^"]*)"`, 'i').exec(disposition)?.[1];
  return found?.replace(/%22/g, '"').replace(/%0D/gi, '\r').replace(/%0A/gi, '\n');
}

async function skip(content: AsyncGenerator<Uint8Array>): Promise<void> {
  for await (const _chunk of content);
}

class Source {
  private readonly chunks: AsyncIterator<Uint8Array> | undefined;
  /** The first boundary has no line break before it: with this one, all are found alike. */
  private buffer: Uint8Array = encode('\r\n');

  constructor(body: ReadableStream<Uint8Array> | null) {
    this.chunks = body?.[Symbol.asyncIterator]();
  }

  private async more(): Promise<void> {
    let next: IteratorResult<Uint8Array> | undefined;
    try {
      next = await this.chunks?.next();
    } catch {
      throw malformed('broke off');
    }
    if (!next || next.done) throw malformed('ends before its closing boundary');
    const joined = new Uint8Array(this.buffer.length + next.value.length);
    joined.set(this.buffer);
    joined.set(next.value, this.buffer.length);
    this.buffer = joined;
  }

  /** As Latin-1, in which every byte is a character. */
  async take(count: number): Promise<string> {
    while (this.buffer.length < count) await this.more();
    const text = String.fromCharCode(...this.buffer.subarray(0, count));
    this.buffer = this.buffer.subarray(count);
    return text;
  }

  async header(): Promise<string> {
    const bytes: Uint8Array[] = [];
    let size = 0;
    // A part may have no header lines at all; with the break of the boundary's line, the end is found alike.
    this.buffer = concat([encode('\r\n'), this.buffer]);
    for await (const chunk of this.until(encode('\r\n\r\n'))) {
      size += chunk.length;
      if (size > MAX_HEADER) throw malformed(`has a part with more than ${MAX_HEADER} bytes of header`);
      bytes.push(chunk);
    }
    return new TextDecoder().decode(concat(bytes));
  }

  /** The bytes before the next delimiter, which is consumed. */
  async *until(delimiter: Uint8Array): AsyncGenerator<Uint8Array> {
    for (;;) {
      const { at, whole } = find(this.buffer, delimiter);
      const before = this.buffer.subarray(0, at);
      this.buffer = this.buffer.subarray(whole ? at + delimiter.length : at);
      if (before.length > 0) yield before;
      if (whole) return;
      await this.more();
    }
  }
}

/** Where the delimiter is, or where one begins whose end has not arrived, or the end. */
function find(buffer: Uint8Array, delimiter: Uint8Array): { at: number; whole: boolean } {
  for (let at = buffer.indexOf(CR); at >= 0; at = buffer.indexOf(CR, at + 1)) {
    let same = 1;
    while (same < delimiter.length && buffer[at + same] === delimiter[same]) same++;
    if (same === delimiter.length) return { at, whole: true };
    if (at + same === buffer.length) return { at, whole: false };
  }
  return { at: buffer.length, whole: false };
}

function concat(chunks: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}
