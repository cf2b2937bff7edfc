/**
 * Preloaded into a process under test (`node --import`): its calendar goes wrong by as many milliseconds as a file says. Only
 * Date is moved; timers run by the monotonic clock, which no time server sets.
 */
import { readFileSync } from 'node:fs';

const LOOK_MS = 100;
const RealDate = Date;
const file = process.env['PATCHBAY_TEST_CLOCK']!;
let offset = 0;

function look(): void {
  try {
    offset = Number(readFileSync(file, 'utf8')) || 0;
  } catch {
    offset = 0;
  }
}

look();
setInterval(look, LOOK_MS).unref();
const now = () => RealDate.now() + offset;
globalThis.Date = new Proxy(RealDate, {
  construct: (target, args, newTarget) =>
    Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget),
  apply: (target) => new target(now()).toString(),
  get: (target, key, receiver) => (key === 'now' ? now : Reflect.get(target, key, receiver)),
});
