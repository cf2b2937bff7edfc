/** What is on every page. */
import { useEffect, useRef } from 'react';
import {
  Link,
  NavLink,
  Outlet,
  ScrollRestoration,
  useLocation,
  useNavigation,
  useRouteLoaderData,
} from 'react-router';
import { Mark } from './parts/mark.tsx';
import { isWork } from './parts/work.tsx';
import type { Viewer } from './routes.tsx';

/** Who is signed in; undefined: nobody. */
export const useViewer = (): Viewer | undefined =>
  (useRouteLoaderData('root') as Viewer | null | undefined) ?? undefined;

const PLACES = [
  ['/', 'Browse'],
  ['/playground', 'Playground'],
  ['/train', 'Train'],
  ['/publish', 'Publish'],
  ['/leaderboard', 'Leaders'],
] as const;

const placeLook = (isHere: boolean) =>
  `rounded-md px-1.5 py-1 whitespace-nowrap hover:bg-sunken sm:px-2 ${isHere ? 'bg-sunken font-medium text-ink' : 'text-quiet'}`;

/** After going to another page: a screen reader says which, and the keyboard goes on there; what still has the focus keeps it. */
function useArrival() {
  const main = useRef<HTMLElement>(null);
  const { pathname } = useLocation();
  const shown = useRef(pathname);
  useEffect(() => {
    if (shown.current === pathname) return;
    shown.current = pathname;
    if (!main.current || main.current.contains(document.activeElement)) return;
    main.current.ariaLabel = document.title;
    main.current.focus({ preventScroll: true });
  }, [pathname]);
  return main;
}

export function Layout() {
  const main = useArrival();
  const viewer = useViewer();
  const busy = useNavigation().state !== 'idle';
  const { pathname } = useLocation();
  return (
    <div className="flex min-h-screen flex-col">
      <a
        href="#main"
        className="sr-only focus:not-sr-only focus:absolute focus:z-10 focus:bg-raised focus:p-3"
      >
        Skip to the content
      </a>
      <header className="border-b border-line bg-raised">
        <div className="mx-auto flex max-w-7xl flex-wrap items-center gap-x-6 gap-y-1 px-4 py-3">
          <Link to="/" className="flex items-center gap-2 text-lg font-bold tracking-tight">
            <Mark />
            Patchbay
          </Link>
          <nav
            aria-label="Main"
            className="order-last -mx-2 flex w-full overflow-x-auto sm:order-none sm:w-auto sm:gap-1"
          >
            {PLACES.map(([to, label]) => (
              <NavLink key={to} to={to} end className={({ isActive }) => placeLook(isActive)}>
                {label}
              </NavLink>
            ))}
          </nav>
          <div className="ml-auto flex items-center gap-1">
            {viewer ? (
              <>
                <Link
                  to="/jobs"
                  className={placeLook(isWork(pathname))}
                  aria-current={isWork(pathname) ? 'page' : undefined}
                >
                  Your work
                </Link>
                <NavLink
                  to="/settings"
                  className={({ isActive }) => `max-w-28 truncate sm:max-w-40 ${placeLook(isActive)}`}
                >
                  {viewer.name}
                </NavLink>
              </>
            ) : (
              <Link to="/sign-in" className="button">
                Sign in
              </Link>
            )}
          </div>
        </div>
        <div
          aria-hidden
          className={`h-0.5 bg-accent transition-opacity ${busy ? 'animate-pulse opacity-100' : 'opacity-0'}`}
        />
      </header>
      <main
        id="main"
        ref={main}
        tabIndex={-1}
        className="outline-none mx-auto w-full max-w-7xl flex-1 px-4 py-6"
      >
        <Outlet />
      </main>
      <footer className="border-t border-line text-sm text-quiet">
        <div className="mx-auto flex max-w-7xl flex-wrap gap-x-6 gap-y-1 px-4 py-4">
          <span className="mr-auto basis-full sm:basis-auto">
            One frozen base, thousands of small adapters.
          </span>
          <a className="hover:underline" href="/docs">
            API
          </a>
          <Link className="hover:underline" to="/bases">
            Bases
          </Link>
          <Link className="hover:underline" to="/operator">
            Operator
          </Link>
        </div>
      </footer>
      <ScrollRestoration />
    </div>
  );
}
