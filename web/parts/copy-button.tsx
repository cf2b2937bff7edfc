import { useState } from 'react';

const SHOWN_MS = 2_000;

export function CopyButton({ text, what }: { text: string; what: string }) {
  const [done, setDone] = useState<'copied' | 'failed'>();
  const copy = async () => {
    setDone(
      await navigator.clipboard.writeText(text).then(
        () => 'copied' as const,
        () => 'failed' as const,
      ),
    );
    setTimeout(() => setDone(undefined), SHOWN_MS);
  };
  return (
    <button type="button" className="button px-2 py-0.5 text-xs" onClick={copy} aria-label={`Copy ${what}`}>
      <span aria-live="polite">
        {done === 'copied' ? 'Copied' : done === 'failed' ? 'Could not copy' : 'Copy'}
      </span>
    </button>
  );
}
