import { describe, expect, it } from 'vitest';
import { memoryMiB, memoryMiBBesideTraining } from '../../functions/lanes.ts';
import { train } from '../../functions/train.ts';
import { LEASED } from '../leased-functions.ts';
import { trainingBytes } from './memory.ts';

const GIB = 2 ** 30;
const others = memoryMiBBesideTraining(LEASED) * 2 ** 20;

describe('what training may take', () => {
  it.each([16, 24, 32])('of %s GiB, with what runs beside it, is no more than there is', (gib) => {
    expect(trainingBytes(LEASED, gib * GIB) + others).toBe(gib * GIB);
  });

  it('is enough wherever there is what the registry asks for', () => {
    const least = memoryMiB(LEASED) * 2 ** 20;
    expect(trainingBytes(LEASED, least)).toBe(train.needs.memoryMiB * 2 ** 20);
  });

  it('is most of a machine where nothing else is worked on, and never all of it', () => {
    expect(trainingBytes([train], 16 * GIB)).toBe(Math.floor(0.8 * 16 * GIB));
    expect(trainingBytes(LEASED, 4 * GIB)).toBe(Math.floor(0.8 * 4 * GIB));
    expect(trainingBytes(LEASED, 128 * GIB)).toBe(Math.floor(0.8 * 128 * GIB));
  });
});
