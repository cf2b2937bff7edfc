/** What Ctrl-C leaves: a terminal as it was, no half of a download, and how to go on. */

/** As shells say that a signal ended a command. */
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;

const undoing: (() => void)[] = [];

function leave(signal: keyof typeof EXIT_CODES): void {
  for (const undo of undoing.toReversed()) undo();
  process.exit(EXIT_CODES[signal]);
}

/** @param undo is called if the command is interrupted before what is returned here is disposed of; what began last, first */
export function onInterrupt(undo: () => void): Disposable {
  if (undoing.length === 0) for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, leave);
  undoing.push(undo);
  return {
    [Symbol.dispose]: () => {
      const at = undoing.indexOf(undo);
      if (at >= 0) undoing.splice(at, 1);
      if (undoing.length === 0)
        for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, leave);
    },
  };
}
