/** How long a runner takes for what it does, in milliseconds, as recorded (record.ts). */

export interface ServiceTimes {
  /** A step of the running answers: so long, more for each row, and more for each different adapter among them. */
  readonly decode: { readonly fixedMs: number; readonly rowMs: number; readonly adapterMs: number };
  /** A chunk of a prompt: so long, and more for each token. */
  readonly prefill: { readonly fixedMs: number; readonly tokenMs: number };
  /** From the object store into memory. */
  readonly adapterMs: number;
  /** From whoever asks to the runner's queue. */
  readonly overheadMs: number;
}

export const decodeMs = ({ decode }: ServiceTimes, rows: number, adapters: number): number =>
  decode.fixedMs + decode.rowMs * rows + decode.adapterMs * adapters;

export const prefillMs = ({ prefill }: ServiceTimes, tokens: number): number =>
  prefill.fixedMs + prefill.tokenMs * tokens;
