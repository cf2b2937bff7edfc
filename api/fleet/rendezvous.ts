/**
 * Rendezvous hashing, also called highest random weight (Thaler and Ravishankar 1998), weighted by capacity (Schindelhauer and
 * Schomaker 2005): every key prefers the places in an order of its own. A place that leaves moves only the keys that were its own,
 * one that joins takes an equal share from all, and no two who ask need to agree on anything but the names.
 */

/** Of a key for a place: the highest wins. A place of twice the capacity wins twice as often. */
export function affinity(keyHash: number, placeHash: number, capacity: number): number {
  const drawn = (mix(mix(keyHash) ^ placeHash) + 0.5) / 2 ** 32;
  return -capacity / Math.log(drawn);
}

/** 32 bits: FNV-1a, then mixed. */
export function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return mix(hash);
}

/** The finaliser of MurmurHash3: every bit of the input changes every bit of the output half of the time. */
function mix(value: number): number {
  let x = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}
