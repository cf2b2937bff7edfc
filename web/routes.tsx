/** Which page is where. A page's file holds what it loads, and what it shows; browsers get it when they come to it. */
import type { ComponentType } from 'react';
import { data, type LoaderFunctionArgs, type RouteObject, redirect } from 'react-router';
import { type Api, createApi, Problem } from './api.ts';
import { ErrorPage } from './error-page.tsx';
import { Layout } from './layout.tsx';

/** What a loader is handed. */
export interface Asked {
  readonly api: Api;
  readonly url: URL;
  readonly params: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
}

interface Page {
  readonly Component: ComponentType;
  readonly loader?: (asked: Asked) => unknown;
}

/** Below web/, without its ending: the browser's files are listed by it. */
const PAGES = {
  'pages/browse': () => import('./pages/browse.tsx'),
  'pages/adapter': () => import('./pages/adapter.tsx'),
  'pages/job': () => import('./pages/job.tsx'),
  'pages/jobs': () => import('./pages/jobs.tsx'),
  'pages/missing': () => import('./pages/missing.tsx'),
  'pages/playground': () => import('./pages/playground.tsx'),
  'pages/publish': () => import('./pages/publish.tsx'),
  'pages/redirect': () => import('./pages/redirect.tsx'),
  'pages/settings': () => import('./pages/settings.tsx'),
  'pages/train': () => import('./pages/train.tsx'),
  'pages/sign-in': () => import('./pages/sign-in.tsx'),
} satisfies Record<string, () => Promise<Page>>;
export type PageFile = keyof typeof PAGES;

const TREE: readonly (readonly [path: string, page: PageFile])[] = [
  ['/', 'pages/browse'],
  ['/adapters/:owner/:name/:tab?', 'pages/adapter'],
  ['/jobs', 'pages/jobs'],
  ['/jobs/:id', 'pages/job'],
  ['/playground', 'pages/playground'],
  ['/publish', 'pages/publish'],
  ['/settings', 'pages/settings'],
  ['/sign-in', 'pages/sign-in'],
  ['/train', 'pages/train'],
  ['/:owner/:name', 'pages/redirect'],
  ['*', 'pages/missing'],
];

export interface Handle {
  readonly page: PageFile;
}

/** @param signedIn whether there may be a session, which the server alone can see; undefined: it was asked already */
export function routesOf(api: Api, signedIn?: boolean): RouteObject[] {
  return [
    {
      id: 'root',
      Component: Layout,
      ErrorBoundary: ErrorPage,
      loader: () => (signedIn ? viewer(api) : null),
      shouldRevalidate: () => false,
      children: TREE.map(([path, page]) => ({
        path,
        handle: { page } satisfies Handle,
        ErrorBoundary: ErrorPage,
        lazy: async () => {
          const { Component, loader }: Page = await PAGES[page]();
          return { Component, ...(loader ? { loader: asPage(api, loader) } : {}) };
        },
      })),
    },
  ];
}

/** A refusal becomes a page with its status; whoever is not signed in may do so, and come back. */
const asPage =
  (api: Api, loader: NonNullable<Page['loader']>) =>
  async ({ request, params }: LoaderFunctionArgs) => {
    try {
      return (await loader({ api, url: new URL(request.url), params, signal: request.signal })) ?? null;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      const { pathname, search } = new URL(request.url);
      if (error.status === 401) throw redirect(`/sign-in?to=${encodeURIComponent(pathname + search)}`);
      throw data(error.message, { status: error.status });
    }
  };

/** Who is signed in. */
async function viewer(api: Api): Promise<{ name: string } | null> {
  try {
    const { data: who } = await api.GET('/api/whoami');
    return who ? { name: who.owner } : null;
  } catch (error) {
    if (error instanceof Problem && error.status === 401) return null; // the session has ended
    throw error;
  }
}

/** The API as this page's browser reaches it. */
export const browserApi = (): Api => createApi(globalThis.location?.origin ?? '');
