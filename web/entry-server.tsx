/** Renders a page to HTML. What it loads goes along as JSON, so that the browser need not ask again. */
import { StrictMode } from 'react';
import { renderToReadableStream } from 'react-dom/server';
import {
  createStaticHandler,
  createStaticRouter,
  isRouteErrorResponse,
  StaticRouterProvider,
} from 'react-router';
import { createApi, Problem } from './api.ts';
import { Document } from './document.tsx';
import { RefusalPage } from './error-page.tsx';
import { type Handle, routesOf, viewerOf } from './routes.tsx';

interface Chunk {
  readonly file: string;
  readonly css?: readonly string[];
  /** Fonts and pictures that its styles name. */
  readonly assets?: readonly string[];
  readonly imports?: readonly string[];
}
/** Which of the browser's files hold what, as Vite lists them. */
export type Manifest = Readonly<Record<string, Chunk>>;
const ENTRY = 'entry-client.tsx';

export async function renderPage(
  request: Request,
  ask: (request: Request) => Promise<Response>,
  chunks: Manifest,
): Promise<Response> {
  try {
    return await rendered(request, ask, chunks);
  } catch (error) {
    if (error instanceof Problem) return renderRefusal(request, error, chunks); // not even who asks could be told
    throw error;
  }
}

/** In place of a page, when nothing can be asked: it asks for nothing, and runs no script. */
export async function renderRefusal(
  request: Request,
  why: { readonly status: number; readonly message: string; readonly retryAfterSeconds?: number | undefined },
  chunks: Manifest,
): Promise<Response> {
  const html = await renderToReadableStream(
    <StrictMode>
      <Document styles={chunks[ENTRY]?.css ?? []} fonts={fontsOf(chunks)}>
        <RefusalPage url={new URL(request.url)} status={why.status}>
          {why.message}
        </RefusalPage>
      </Document>
    </StrictMode>,
  );
  const after = why.retryAfterSeconds;
  return page(html, why.status, after === undefined ? null : String(after));
}

async function rendered(
  request: Request,
  ask: (request: Request) => Promise<Response>,
  chunks: Manifest,
): Promise<Response> {
  const api = createApi(new URL(request.url).origin, ask);
  const viewer = request.headers.get('cookie')?.includes('better-auth') ? await viewerOf(api) : null;
  const { query, dataRoutes } = createStaticHandler(routesOf(api, viewer));
  const context = await query(request);
  if (context instanceof Response) return context;
  const router = createStaticRouter(dataRoutes, context);
  const pages = context.matches.flatMap(({ route }) => (route.handle as Handle | undefined)?.page ?? []);
  const files = [ENTRY, ...pages.map((page) => `${page}.tsx`)];
  const { loaderData, errors } = context;
  const html = await renderToReadableStream(
    <StrictMode>
      <Document
        styles={[...new Set(files.flatMap((file) => chunks[file]?.css ?? []))]}
        fonts={fontsOf(chunks)}
        run={{
          scripts: [...new Set(files.flatMap((file) => withImports(chunks, file)))],
          entry: `/${chunks[ENTRY]!.file}`,
          state: { loaderData, errors: told(errors) },
        }}
      >
        <StaticRouterProvider router={router} context={context} hydrate={false} />
      </Document>
    </StrictMode>,
    // In one piece: React puts a large part that came late in place with a script, which the page's policy forbids.
    { progressiveChunkSize: Number.POSITIVE_INFINITY },
  );
  await html.allReady;
  const after = Object.values(context.loaderHeaders).map((headers) => headers.get('retry-after'));
  return page(html, context.statusCode, after.find((seconds) => seconds !== null) ?? null);
}

function page(html: ReadableStream, status: number, retryAfter: string | null): Response {
  const headers = new Headers({ 'content-type': 'text/html; charset=utf-8' });
  if (retryAfter !== null) headers.set('retry-after', retryAfter);
  return new Response(html, { status, headers });
}

const fontsOf = (chunks: Manifest) => (chunks[ENTRY]?.assets ?? []).filter((file) => file.endsWith('.woff2'));

/** Refusals are told to the browser as they are; what is unexpected stays here. */
function told(errors: Record<string, unknown> | null) {
  if (!errors) return null;
  const pages = Object.entries(errors).map(([route, error]) => {
    const known = isRouteErrorResponse(error)
      ? { status: error.status, data: error.data as unknown }
      : { status: 500 };
    return [route, known] as const;
  });
  return Object.fromEntries(pages);
}

/** The browser fetches all of them at once, not one after the other as it finds them. */
function withImports(chunks: Manifest, name: string): string[] {
  const chunk = chunks[name];
  if (!chunk) return [];
  return [chunk.file, ...(chunk.imports ?? []).flatMap((imported) => withImports(chunks, imported))];
}
