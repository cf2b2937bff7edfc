import { useState } from 'react';

const SHOWN_MS = 2_000;

export function CopyButton({ text, what, label = 'Copy' }: { text: string; what: string; label?: string }) {
  const [done, setDone] = useState<'copied' | 'failed'>();
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text); // there is none over plain HTTP
      setDone('copied');
    } catch {
      setDone('failed');
    }
    setTimeout(() => setDone(undefined), SHOWN_MS);
  };
  return (
    <button
      type="button"
      className="button button-small font-sans text-xs"
      onClick={copy}
      aria-label={`${label} ${what}`}
    >
      <span aria-live="polite">
        {done === 'copied' ? 'Copied' : done === 'failed' ? 'Could not copy' : label}
      </span>
    </button>
  );
}
