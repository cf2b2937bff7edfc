/** What is shown instead of a page: what happened, and where to go from here. */
import { isRouteErrorResponse, Link, useLocation, useRouteError } from 'react-router';
import { useViewer } from './layout.tsx';
import { ownPath } from './own-path.ts';
import { Mark } from './parts/mark.tsx';

export function ErrorPage() {
  const error = useRouteError();
  const { pathname, search } = useLocation();
  const viewer = useViewer();
  const here = ownPath(pathname) + search;
  const status = isRouteErrorResponse(error) ? error.status : undefined;
  const said = isRouteErrorResponse(error) && typeof error.data === 'string' ? error.data : undefined;
  return (
    <Message title={titleOf(status)}>
      <p className="text-quiet">
        {said ?? 'The page could not be shown. Is the server still running? Try again in a moment.'}
      </p>
      <p className="mt-4 flex gap-3">
        {status !== 404 && (
          <a className="button" href={here}>
            Try again
          </a>
        )}
        {/* What is private is missing to whoever is not known, its owner too. */}
        {status === 404 && !viewer && (
          <Link className="button" to={`/sign-in?to=${encodeURIComponent(here)}`}>
            Sign in
          </Link>
        )}
        <Link className="button" to="/">
          Browse the catalog
        </Link>
      </p>
    </Message>
  );
}

/** Where there is no more than this: nobody and nothing could be asked. */
export function RefusalPage({
  url: { pathname, search },
  status,
  children,
}: {
  url: URL;
  status: number;
  children: string;
}) {
  return (
    <div className="px-4 py-6">
      <a href="/" className="mx-auto flex max-w-xl items-center gap-2 text-lg font-bold tracking-tight">
        <Mark />
        Patchbay
      </a>
      <main>
        <Message title={titleOf(status)}>
          <p className="text-quiet">{children}</p>
          <p className="mt-4">
            <a className="button" href={ownPath(pathname) + search}>
              Try again
            </a>
          </p>
        </Message>
      </main>
    </div>
  );
}

const TITLES: Readonly<Record<number, string>> = {
  404: 'There is nothing here',
  429: 'Too much at once',
  503: 'Away for a moment',
};
const titleOf = (status: number | undefined): string => TITLES[status ?? 0] ?? 'That did not work';

function Message({ title, children }: { title: string; children: React.ReactNode }) {
  return (
    <div className="mx-auto max-w-xl py-16">
      <title>{`${title} · Patchbay`}</title>
      <h1 className="mb-3">{title}</h1>
      {children}
    </div>
  );
}
