/** What the build of the site leaves below web/dist; infra/edge/build.ts says where. */
declare module 'site:pages' {
  export function renderPage(
    request: Request,
    ask: (request: Request) => Promise<Response>,
    manifest: object,
  ): Promise<Response>;
  export function renderRefusal(
    request: Request,
    why: import('../../api/site.ts').Refusal,
    manifest: object,
  ): Promise<Response>;
}

declare module 'site:manifest' {
  const manifest: object;
  export default manifest;
}
