/** Which functions a runner takes from the API's queues: those of the registry that have one, unless it is told fewer. */
import type { FunctionDefinition } from '../functions/definition.ts';
import { ON_RUNNERS } from '../functions/on-runners.ts';

export const LEASED: readonly FunctionDefinition[] = ON_RUNNERS.filter(
  ({ trigger }) => trigger.kind === 'queue',
);

export const leasedBy = ({ functions }: { readonly functions: readonly string[] | undefined }) =>
  LEASED.filter(({ name }) => functions?.includes(name) ?? true);
