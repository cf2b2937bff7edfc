/** The button of a form that a script sends: before the script has come, browsers would send what is typed to the wrong place. */
import { type ReactNode, useSyncExternalStore } from 'react';

const never = () => () => undefined;

export function Submit({
  disabled = false,
  className = 'button',
  children,
}: {
  disabled?: boolean;
  className?: string;
  children: ReactNode;
}) {
  const isThere = useSyncExternalStore(
    never,
    () => true,
    () => false,
  );
  return (
    <>
      <button type="submit" className={className} disabled={disabled || !isThere}>
        {children}
      </button>
      <noscript>
        <p className="text-sm text-quiet">This takes JavaScript, which is off.</p>
      </noscript>
    </>
  );
}
