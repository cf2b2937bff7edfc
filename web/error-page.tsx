/** What is shown instead of a page: what happened, and where to go from here. */
import { isRouteErrorResponse, Link, useLocation, useRouteError } from 'react-router';
import { ownPath } from './own-path.ts';

export function ErrorPage() {
  const error = useRouteError();
  const { pathname, search } = useLocation();
  const status = isRouteErrorResponse(error) ? error.status : undefined;
  const said = isRouteErrorResponse(error) && typeof error.data === 'string' ? error.data : undefined;
  return (
    <Message title={status === 404 ? 'There is nothing here' : 'That did not work'}>
      <p className="text-quiet">
        {said ?? 'The page could not be shown. Is the server still running? Try again in a moment.'}
      </p>
      <p className="mt-4 flex gap-3">
        <a className="button" href={ownPath(pathname) + search}>
          Try again
        </a>
        <Link className="button" to="/">
          Browse the catalog
        </Link>
      </p>
    </Message>
  );
}

function Message({ title, children }: { title: string; children: React.ReactNode }) {
  return (
    <div className="mx-auto max-w-xl py-16">
      <title>{`${title} · Patchbay`}</title>
      <h1 className="mb-3">{title}</h1>
      {children}
    </div>
  );
}
