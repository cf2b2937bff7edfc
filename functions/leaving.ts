/**
 * Hears that whoever asks has left. Node's Request never forgets what listens to the signal that it was made with, nor what that
 * reaches: where it reaches the request, both stay in memory for good. So whoever listens says when that is over.
 * @param signal of the request. @returns ends it
 */
export function onLeaving({ signal }: Request, left: () => void): () => void {
  signal.addEventListener('abort', left, { once: true });
  return () => signal.removeEventListener('abort', left);
}
