/**
 * Work that a request begins and nobody waits for. On Node it goes on by itself; where a request's I/O ends with its answer, as at the
 * edge, and where the process is frozen then, as in Lambda, the runtime is told what is still to be done.
 */
export type Outlive = (work: Promise<unknown>) => void;

export const byItself: Outlive = () => undefined;
