/** The API reference as one page of plain HTML: no script, nothing fetched from elsewhere. */
import { html, raw } from 'hono/html';

interface Operation {
  summary?: string;
  security?: unknown[];
}

interface Document {
  info: { title: string; description?: string };
  paths?: Record<string, Record<string, Operation>>;
}

export function referencePage(document: unknown) {
  const { info, paths = {} } = document as Document;
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { summary, security }]) => ({
      path,
      method: method.toUpperCase(),
      summary,
      secured: (security?.length ?? 0) > 0,
    })),
  );
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${info.title} API</title>
<style>${raw(STYLE)}</style>
</head>
<body>
<main>
<h1>${info.title} API</h1>
<p>${info.description} The full description, with every schema: <a href="/openapi.json">/openapi.json</a>.</p>
<p>Send <code>Authorization: Bearer &lt;key&gt;</code> where a key is needed. OpenAI's clients work with <code>baseURL</code> set to <code>/v1</code> here.</p>
<table>
<thead><tr><th scope="col">Call</th><th scope="col">What it does</th><th scope="col">Key</th></tr></thead>
<tbody>
${operations.map(({ path, method, summary, secured }) => html`<tr><td><code><b>${method}</b> ${path}</code></td><td>${summary}</td><td>${secured ? 'yes' : 'no'}</td></tr>`)}
</tbody>
</table>
</main>
</body>
</html>`;
}

const STYLE = `
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0; }
main { max-width: 60rem; margin: 0 auto; padding: 2rem 1rem; }
table { border-collapse: collapse; width: 100%; display: block; overflow-x: auto; }
th, td { text-align: left; padding: .5rem .75rem; border-bottom: 1px solid color-mix(in srgb, currentColor 20%, transparent); vertical-align: top; }
code { font-size: .9em; overflow-wrap: break-word; }
@media (max-width: 40rem) {
  thead { display: none; }
  tbody { display: block; }
  code { overflow-wrap: anywhere; }
  tr { display: block; padding: .75rem 0; border-bottom: 1px solid color-mix(in srgb, currentColor 20%, transparent); }
  td { display: block; padding: 0; border: 0; }
  td:last-child::before { content: 'Key: '; }
}
`;
