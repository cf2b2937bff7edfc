/** Random numbers without a state: the same counters give the same number, in any order and in any process. */

/** A number in [0, 1) from three counters: two rounds of MurmurHash3's finaliser over each half of 53 bits. */
export function uniform(seed: number, answer: number, position: number): number {
  const low = seed >>> 0;
  const high = Math.floor(seed / 2 ** 32) >>> 0;
  const state = mix(mix(mix(low ^ 0x9e3779b9) ^ high) ^ Math.imul(answer + 1, 0x85ebca6b));
  const first = mix(state ^ Math.imul(position + 1, 0xc2b2ae35));
  const second = mix(first ^ 0x27d4eb2f);
  return ((first >>> 5) * 2 ** 26 + (second >>> 6)) / 2 ** 53;
}

function mix(value: number): number {
  let x = value >>> 0;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}
