/** Takes over the page that the server rendered. */
import './styles.css';
import { StrictMode } from 'react';
import { hydrateRoot } from 'react-dom/client';
import { createBrowserRouter, matchRoutes, UNSAFE_ErrorResponseImpl } from 'react-router';
import { RouterProvider } from 'react-router/dom';
import { STATE } from './document.tsx';
import { browserApi, routesOf, type Viewer, viewerOf } from './routes.tsx';

const app = document.getElementById('app')!;
const state = document.getElementById(STATE)?.textContent;

const { loaderData, errors } = JSON.parse(state ?? '{}') as {
  loaderData?: Record<string, unknown>;
  errors?: Record<string, { status: number; data?: unknown }> | null;
};
const viewer = (loaderData?.['root'] as Viewer | undefined) ?? null;
const routes = routesOf(browserApi(), viewer, () => viewerOf(browserApi()));

// What is shown already is loaded first: else it would vanish while it is.
for (const { route } of matchRoutes(routes, location) ?? []) {
  if (typeof route.lazy !== 'function') continue;
  Object.assign(route, await route.lazy(), { lazy: undefined });
}

const refusals = Object.entries(errors ?? {}).map(
  ([route, { status, data }]) => [route, new UNSAFE_ErrorResponseImpl(status, '', data)] as const,
);
const router = createBrowserRouter(routes, {
  hydrationData: { loaderData: loaderData ?? {}, errors: errors ? Object.fromEntries(refusals) : null },
});
hydrateRoot(
  app,
  <StrictMode>
    <RouterProvider router={router} />
  </StrictMode>,
);
