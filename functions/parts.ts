/** Several things that have nothing to do with each other: one that fails keeps none of the others from being done. */
export async function eachPart<Name extends string>(
  parts: Readonly<Record<Name, () => Promise<number>>>,
): Promise<Record<Name, number>> {
  const done: Partial<Record<Name, number>> = {};
  const failures: Error[] = [];
  for (const [name, part] of Object.entries<() => Promise<number>>(parts)) {
    try {
      done[name as Name] = await part();
    } catch (error) {
      failures.push(new Error(`${name}: ${(error as Error).message}`, { cause: error }));
    }
  }
  if (failures.length > 0)
    throw new AggregateError(failures, failures.map(({ message }) => message).join('; '));
  return done as Record<Name, number>;
}
