/**
 * Hears that whoever asks has left. Node's Request never forgets what listens to the signal that it was made with, nor what that
 * reaches: where it reaches the request, both stay in memory for good. So what is returned is to be disposed of.
 * @param signal of the request
 */
export function onLeaving({ signal }: Request, left: () => void): Disposable {
  signal.addEventListener('abort', left, { once: true });
  return { [Symbol.dispose]: () => signal.removeEventListener('abort', left) };
}
