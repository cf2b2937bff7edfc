/** Takes over the page that the server rendered. */
import './styles.css';
import { StrictMode } from 'react';
import { createRoot, hydrateRoot } from 'react-dom/client';
import { createBrowserRouter, matchRoutes } from 'react-router';
import { RouterProvider } from 'react-router/dom';
import { STATE } from './document.tsx';
import { browserApi, routesOf } from './routes.tsx';

const app = document.getElementById('app')!;
const state = document.getElementById(STATE)?.textContent;
const routes = routesOf(browserApi());

// What is shown already is loaded first: else it would vanish while it is.
for (const { route } of matchRoutes(routes, location) ?? []) {
  if (typeof route.lazy !== 'function') continue;
  Object.assign(route, await route.lazy(), { lazy: undefined });
}

if (state) {
  const router = createBrowserRouter(routes, { hydrationData: JSON.parse(state) });
  hydrateRoot(
    app,
    <StrictMode>
      <RouterProvider router={router} />
    </StrictMode>,
  );
} else {
  // An error was shown: it is asked once more.
  createRoot(app).render(
    <StrictMode>
      <RouterProvider router={createBrowserRouter(routes)} />
    </StrictMode>,
  );
}
