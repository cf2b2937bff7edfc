import type { ReactNode } from 'react';

/** Of an input for a name. Browsers say the title, where what was typed is none. */
export const NAME = {
  maxLength: 64,
  pattern: '[a-z0-9][a-z0-9._\\-]*',
  title: 'lower-case letters, digits, - _ and .',
} as const;

/** What is asked, above where it is answered. */
export function Field({
  label,
  hint,
  children,
  className = '',
}: {
  label: string;
  hint?: string | undefined;
  children: ReactNode;
  className?: string | undefined;
}) {
  return (
    // biome-ignore lint/a11y/noLabelWithoutControl: the control is handed in
    <label className={`flex flex-col gap-1 ${className}`}>
      <span className="text-sm font-medium">{label}</span>
      {children}
      {hint && <span className="text-xs text-quiet">{hint}</span>}
    </label>
  );
}
