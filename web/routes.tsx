/** Which page is where. A page's file holds what it loads, and what it shows; browsers get it when they come to it. */
import type { ComponentType } from 'react';
import { data, type LoaderFunctionArgs, type RouteObject, redirect, redirectDocument } from 'react-router';
import { type Api, createApi, dataOf, Problem } from './api.ts';
import { ErrorPage } from './error-page.tsx';
import { Layout } from './layout.tsx';

/** What a loader is handed. */
export interface Asked {
  readonly api: Api;
  readonly viewer: Viewer | null;
  readonly url: URL;
  readonly params: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
}

interface Page {
  readonly Component: ComponentType;
  readonly loader?: (asked: Asked) => unknown;
  /** Only for those who are signed in. */
  readonly personal?: boolean;
}

/** Below web/, without its ending: the browser's files are listed by it. */
const PAGES = {
  'pages/base': () => import('./pages/base.tsx'),
  'pages/bases': () => import('./pages/bases.tsx'),
  'pages/browse': () => import('./pages/browse.tsx'),
  'pages/adapter': () => import('./pages/adapter.tsx'),
  'pages/files': () => import('./pages/files.tsx'),
  'pages/job': () => import('./pages/job.tsx'),
  'pages/jobs': () => import('./pages/jobs.tsx'),
  'pages/leaderboard': () => import('./pages/leaderboard.tsx'),
  'pages/missing': () => import('./pages/missing.tsx'),
  'pages/operator': () => import('./pages/operator.tsx'),
  'pages/person': () => import('./pages/person.tsx'),
  'pages/playground': () => import('./pages/playground.tsx'),
  'pages/publish': () => import('./pages/publish.tsx'),
  'pages/redirect': () => import('./pages/redirect.tsx'),
  'pages/settings': () => import('./pages/settings.tsx'),
  'pages/tasks': () => import('./pages/tasks.tsx'),
  'pages/train': () => import('./pages/train.tsx'),
  'pages/sign-in': () => import('./pages/sign-in.tsx'),
} satisfies Record<string, () => Promise<Page>>;
export type PageFile = keyof typeof PAGES;

const TREE: readonly (readonly [path: string, page: PageFile])[] = [
  ['/', 'pages/browse'],
  ['/adapters/:owner/:name/:tab?', 'pages/adapter'],
  ['/bases', 'pages/bases'],
  ['/bases/:owner/:name', 'pages/base'],
  ['/files', 'pages/files'],
  ['/jobs', 'pages/jobs'],
  ['/jobs/:id', 'pages/job'],
  ['/leaderboard', 'pages/leaderboard'],
  ['/operator', 'pages/operator'],
  ['/people/:name', 'pages/person'],
  ['/playground', 'pages/playground'],
  ['/publish', 'pages/publish'],
  ['/settings/:tab?', 'pages/settings'],
  ['/sign-in', 'pages/sign-in'],
  ['/tasks', 'pages/tasks'],
  ['/train', 'pages/train'],
  ['/:owner/:name', 'pages/redirect'],
  ['*', 'pages/missing'],
];

export interface Handle {
  readonly page: PageFile;
}

/** @param known who is signed in. @param askAgain who is, after what was done here; only where pages stay */
export function routesOf(
  api: Api,
  known: Viewer | null,
  askAgain: () => Promise<Viewer | null> = async () => known,
): RouteObject[] {
  let viewer = known;
  return [
    {
      id: 'root',
      Component: Layout,
      ErrorBoundary: ErrorPage,
      loader: async () => {
        // A server that is away is said by the page's own loader; who one is stays known.
        viewer = await askAgain().catch(() => viewer);
        return viewer;
      },
      // What one may do can change by what one does, not by going elsewhere.
      shouldRevalidate: ({ currentUrl, nextUrl, defaultShouldRevalidate }) =>
        viewer !== null && defaultShouldRevalidate && currentUrl.href === nextUrl.href,
      children: TREE.map(([path, page]) => ({
        path,
        handle: { page } satisfies Handle,
        ErrorBoundary: ErrorPage,
        lazy: async () => {
          const found: Page = await PAGES[page]();
          return { Component: found.Component, loader: asPage(api, () => viewer, found) };
        },
      })),
    },
  ];
}

/** A refusal becomes a page with its status; whoever is not signed in may do so, and come back. */
const asPage =
  (api: Api, viewerNow: () => Viewer | null, { loader, personal }: Page) =>
  async ({ request, params }: LoaderFunctionArgs) => {
    const viewer = viewerNow();
    const url = new URL(request.url);
    const signIn = `/sign-in?to=${encodeURIComponent(url.pathname + url.search)}`;
    if (personal && !viewer) throw redirect(signIn);
    try {
      return (await loader?.({ api, viewer, url, params, signal: request.signal })) ?? null;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (error.status === 401) throw redirectDocument(signIn); // the session has ended meanwhile: all of the page is another one's
      const after = error.retryAfterSeconds;
      const headers = after === undefined ? {} : { 'retry-after': String(after) };
      throw data(error.message, { status: error.status, headers });
    }
  };

/** Who is signed in. */
export interface Viewer {
  readonly name: string;
  readonly organisations: readonly { readonly name: string; readonly role: 'read' | 'write' | 'admin' }[];
}

/** Of a browser that sends a session. */
export async function viewerOf(api: Api): Promise<Viewer | null> {
  try {
    const { owner, organisations } = await dataOf(api.GET('/api/whoami'));
    return { name: owner, organisations };
  } catch (error) {
    if (error instanceof Problem && error.status === 401) return null; // the session has ended
    throw error;
  }
}

/** The API as this page's browser reaches it. */
export const browserApi = (): Api => createApi(globalThis.location?.origin ?? '');
