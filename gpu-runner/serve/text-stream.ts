/**
 * Text that is safe to show, from tokens as they come: never half a character, and never the beginning of what may turn
 * out to be a stop string.
 */
import type { TokenTable } from '../model/token-table.ts';

export class TextStream {
  private readonly table: TokenTable;
  private readonly stops: readonly string[];
  private readonly decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  private held = '';
  private stopped = false;

  constructor(table: TokenTable, stops: readonly string[]) {
    this.table = table;
    // Half of a surrogate pair is no text, and cannot occur in any.
    this.stops = stops.filter((stop) => stop.isWellFormed());
  }

  /** Text to show now, and whether a stop string was met; the stop string itself is never shown. */
  push(token: number): { text: string; stopped: boolean } {
    this.held += this.decoder.decode(this.table.bytes(token), { stream: true });
    const stop = earliest(this.held, this.stops);
    if (stop >= 0) {
      const text = this.held.slice(0, stop);
      this.stopped = true;
      return { text, stopped: true };
    }
    const safe = this.held.length - longestOverlap(this.held, this.stops);
    const text = this.held.slice(0, safe);
    this.held = this.held.slice(safe);
    return { text, stopped: false };
  }

  /** What was held back, when no more tokens come. Half a character becomes U+FFFD. */
  end(): string {
    if (this.stopped) return '';
    const text = this.held + this.decoder.decode();
    this.held = '';
    return text;
  }
}

function earliest(text: string, stops: readonly string[]): number {
  const found = stops.map((stop) => text.indexOf(stop)).filter((at) => at >= 0);
  return found.length > 0 ? Math.min(...found) : -1;
}

/** Length of the longest end of `text` with which some stop string begins. */
function longestOverlap(text: string, stops: readonly string[]): number {
  let longest = 0;
  for (const stop of stops) {
    for (let length = Math.min(stop.length - 1, text.length); length > longest; length--) {
      if (text.endsWith(stop.slice(0, length))) longest = length;
    }
  }
  return longest;
}
