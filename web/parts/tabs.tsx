import { useEffect, useRef } from 'react';
import { Link } from 'react-router';

/** Pages of one thing, each with its own URL. */
export function Tabs({
  label,
  tabs,
  current,
}: {
  label: string;
  tabs: readonly (readonly [to: string, label: string])[];
  /** The path of the one that is shown. */
  current: string;
}) {
  const shown = useRef<HTMLAnchorElement>(null);
  // On a narrow screen it may lie beyond the edge.
  // biome-ignore lint/correctness/useExhaustiveDependencies: when another one is shown
  useEffect(() => {
    const tab = shown.current;
    if (tab?.parentElement) tab.parentElement.scrollLeft = tab.offsetLeft - tab.offsetWidth;
  }, [current]);
  return (
    <nav aria-label={label} className="relative mb-6 flex overflow-x-auto border-b border-line sm:gap-1">
      {tabs.map(([to, name]) => (
        <Link
          key={to}
          ref={to === current ? shown : undefined}
          to={to}
          preventScrollReset
          aria-current={to === current ? 'page' : undefined}
          className={`border-b-2 px-2 py-2 whitespace-nowrap sm:px-3 ${to === current ? 'border-accent font-semibold' : 'border-transparent text-quiet hover:text-ink'}`}
        >
          {name}
        </Link>
      ))}
    </nav>
  );
}
