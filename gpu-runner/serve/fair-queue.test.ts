import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FairQueue } from './fair-queue.ts';

const waiter = (tenant: string, name = '') => ({ tenant, name });

/** Who is to be served next. */
const nextOf = <T extends { tenant: string }>(queue: FairQueue<T>) => queue.inOrder().next().value;

/** Serves whoever is next, at a cost, until nobody waits. */
function serveAll(queue: FairQueue<ReturnType<typeof waiter>>, cost = 10): string[] {
  const served = [];
  for (let next = nextOf(queue); next; next = nextOf(queue)) {
    queue.take(next);
    queue.charge(next.tenant, cost);
    served.push(next.tenant + next.name);
  }
  return served;
}

describe('a fair queue', () => {
  it('serves one tenant in the order it asked', () => {
    const queue = new FairQueue<ReturnType<typeof waiter>>();
    for (const name of ['1', '2', '3']) queue.push(waiter('a', name));
    expect(serveAll(queue)).toEqual(['a1', 'a2', 'a3']);
  });

  it('lets tenants take turns, whoever came first with however many', () => {
    const queue = new FairQueue<ReturnType<typeof waiter>>();
    for (let i = 0; i < 4; i++) queue.push(waiter('a'));
    queue.push(waiter('b'));
    queue.push(waiter('c'));
    expect(serveAll(queue).join('')).toBe('abcaaa');
  });

  it('gives no credit for a pause', () => {
    const queue = new FairQueue<ReturnType<typeof waiter>>();
    queue.push(waiter('a'));
    serveAll(queue, 1000);
    queue.push(waiter('b')); // nobody else waits: b starts where a is, not at nothing
    expect(serveAll(queue)).toEqual(['b']);
    for (let i = 0; i < 3; i++) queue.push(waiter('b'));
    queue.push(waiter('a'));
    expect(serveAll(queue).indexOf('a')).toBeLessThan(2);
  });

  it('puts the interrupted before all', () => {
    const queue = new FairQueue<ReturnType<typeof waiter>>();
    queue.push(waiter('a'));
    queue.pushFirst(waiter('b', ' again'));
    expect(serveAll(queue)).toEqual(['b again', 'a']);
  });

  it('drops those who left', () => {
    const queue = new FairQueue<ReturnType<typeof waiter>>();
    for (const tenant of ['a', 'b', 'a']) queue.push(waiter(tenant));
    queue.drop(({ tenant }) => tenant === 'a');
    expect([queue.length, queue.lengthOf('a'), queue.lengthOf('b')]).toEqual([1, 0, 1]);
    expect(serveAll(queue)).toEqual(['b']);
  });

  it('keeps what two tenants that always wait were given within one largest cost', () => {
    const most = 100;
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom('a', 'b'), fc.integer({ min: 1, max: most })), { minLength: 1 }),
        (costs) => {
          const queue = new FairQueue<ReturnType<typeof waiter>>();
          const given: Record<string, number> = { a: 0, b: 0 };
          for (let i = 0; i < costs.length; i++) for (const tenant of ['a', 'b']) queue.push(waiter(tenant));
          for (const [, cost] of costs) {
            const next = nextOf(queue)!;
            queue.take(next);
            queue.charge(next.tenant, cost);
            given[next.tenant]! += cost;
            expect(Math.abs(given['a']! - given['b']!)).toBeLessThanOrEqual(most);
          }
        },
      ),
    );
  });
});
