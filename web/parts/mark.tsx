/** Patchbay's mark: a plug. */
export function Mark({ className = 'size-6' }: { className?: string }) {
  return (
    <svg viewBox="0 0 16 16" aria-hidden className={className}>
      <rect width="16" height="16" rx="4" className="fill-accent" />
      <path
        d="M5 3v3M11 3v3M4 6h8v2a4 4 0 0 1-8 0zM8 12v2"
        className="stroke-on-accent"
        strokeWidth="1.5"
        strokeLinecap="round"
        fill="none"
      />
    </svg>
  );
}
