import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { countedAs } from './address.ts';

describe('an address is counted', () => {
  it.each([
    ['203.0.113.7', '203.0.113.7'],
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ['::ffff:cb00:7107', '203.0.113.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:0DB8:0001:0002::', '2001:db8:1:2::/64'],
    ['fe80::1%eth0', 'fe80::/64'],
    ['::1', '::/64'],
    ['203.0.113.7:51234', '203.0.113.7'],
    ['[2001:db8:1:2:3:4:5:6]:51234', '2001:db8:1:2::/64'],
    ['[2001:db8:1:2::]', '2001:db8:1:2::/64'],
    ['unknown', 'unknown'],
    ['x'.repeat(99), 'x'.repeat(64)],
  ])('%s as %s', (address, counted) => {
    expect(countedAs(address)).toBe(counted);
  });

  const part = fc.integer({ min: 0, max: 0xffff });
  const parts = (length: number) => fc.array(part, { minLength: length, maxLength: length });
  const written = (all: readonly number[]) => all.map((one) => one.toString(16)).join(':');

  it('with all of its network, and with nobody else', () => {
    const anyNetwork = fc
      .tuple(fc.integer({ min: 0x2000, max: 0x3fff }), parts(3))
      .map(([a, b]) => [a, ...b]);
    fc.assert(
      fc.property(anyNetwork, anyNetwork, parts(4), parts(4), (one, other, host, another) => {
        const counted = countedAs(written([...one, ...host]));
        expect(countedAs(written([...one, ...another]))).toBe(counted);
        expect(countedAs(written([...other, ...another])) === counted).toBe(written(one) === written(other));
      }),
    );
  });

  it('alone where it is of IPv4, however it is written', () => {
    fc.assert(
      fc.property(fc.ipV4(), fc.ipV4(), (one, other) => {
        expect(countedAs(`::ffff:${one}`)).toBe(one);
        expect(countedAs(one) === countedAs(other)).toBe(one === other);
      }),
    );
  });
});
