/** What the lists of one's own work have in common: jobs, tasks, files. */
import { type ReactNode, useEffect } from 'react';
import { Link, useRevalidator, useSearchParams } from 'react-router';
import { Tabs } from './tabs.tsx';

const ASK_AGAIN_MS = 3_000;
const LISTS = [
  ['/jobs', 'Training jobs'],
  ['/tasks', 'Tasks'],
  ['/files', 'Files'],
] as const;

/** Whether one of them is there, or what is in one. */
export const isWork = (pathname: string): boolean =>
  LISTS.some(([path]) => pathname === path || pathname.startsWith(`${path}/`));

/** @param more where the next page begins; null: there is none. @param action what makes another one */
export function Work({
  list,
  more,
  isGoingOn = false,
  action,
  children,
}: {
  list: (typeof LISTS)[number][0];
  more: string | null;
  isGoingOn?: boolean;
  action?: ReactNode;
  children: ReactNode;
}) {
  const [params] = useSearchParams();
  useAskAgain(isGoingOn);
  return (
    <div>
      <title>{`${LISTS.find(([path]) => path === list)![1]} · Patchbay`}</title>
      <header className="mb-4 flex flex-wrap items-center gap-3">
        <h1 className="flex-1">Your work</h1>
        {action}
      </header>
      <Tabs label="Your work" tabs={LISTS} current={list} />
      {children}
      <nav aria-label="Pages" className="mt-4 flex gap-3 empty:hidden">
        {params.has('after') && (
          <Link className="button" to={list}>
            First page
          </Link>
        )}
        {more !== null && (
          <Link className="button" to={`${list}?after=${encodeURIComponent(more)}`}>
            Next page
          </Link>
        )}
      </nav>
    </div>
  );
}

/** Of a list's query. */
export function pageAfter(url: URL): { after?: string; limit: number } {
  const after = url.searchParams.get('after');
  return { limit: 20, ...(after ? { after } : {}) };
}

/** What goes on is looked at again, while somebody looks at it. */
function useAskAgain(isGoingOn: boolean): void {
  const { revalidate } = useRevalidator();
  useEffect(() => {
    if (!isGoingOn) return;
    const timer = setInterval(() => {
      if (!document.hidden) void revalidate();
    }, ASK_AGAIN_MS);
    return () => clearInterval(timer);
  }, [isGoingOn, revalidate]);
}
