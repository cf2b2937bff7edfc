/** The API reference as one page of plain HTML: no script, nothing fetched from elsewhere. Made of the OpenAPI document alone. */
import { html, raw } from 'hono/html';
import { extendedBy, type Field, fieldsOf, type Piece, type Schema, typeOf } from './shapes.ts';
import { STYLE } from './style.ts';

type Content = Readonly<Record<string, { readonly schema?: Schema }>>;

interface Parameter {
  readonly name: string;
  readonly in: string;
  readonly required?: boolean;
  readonly schema: Schema;
}

interface Operation {
  readonly summary?: string;
  readonly tags?: readonly string[];
  readonly security?: readonly { readonly key?: readonly string[] }[];
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly content: Content };
  readonly responses: Readonly<Record<string, { readonly description: string; readonly content?: Content }>>;
}

interface Document {
  readonly info: { readonly title: string; readonly description?: string };
  readonly tags: readonly { readonly name: string; readonly description: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

interface Call extends Operation {
  readonly method: string;
  readonly path: string;
}

export function referencePage(document: unknown) {
  const { info, tags, paths, components } = document as Document;
  const calls = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      ...operation,
      method: method.toUpperCase(),
      path,
    })),
  );
  const shapes = Object.entries(components.schemas).sort(([a], [b]) => a.localeCompare(b));
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${info.title} API</title>
<link rel="icon" href="data:,">
<style>${raw(STYLE)}</style>
</head>
<body>
<main>
<h1><a href="/">${info.title}</a> API</h1>
<p>${info.description} As a document for programs: <a href="/openapi.json">/openapi.json</a>.</p>
<p>Send <code>Authorization: Bearer &lt;key&gt;</code> where a key is needed; its scope is named. OpenAI's clients work with <code>baseURL</code> set to <code>/v1</code> here, Hugging Face's with this server as <code>HF_ENDPOINT</code>.</p>
<nav aria-label="Sections"><ul>${[...tags.map(({ name }) => name), SHAPES].map((name) => html`<li><a href="#${name}">${name}</a></li>`)}</ul></nav>
${tags.map(
  ({ name, description }) => html`<section aria-labelledby="${name}">
<h2 id="${name}">${name}</h2>
<p>${description}</p>
${calls.filter((call) => call.tags?.includes(name)).map(oneCall)}
</section>`,
)}
<section aria-labelledby="${SHAPES}">
<h2 id="${SHAPES}">${SHAPES}</h2>
<p>What bodies are made of.</p>
${shapes.map(([name, schema]) => html`<details><summary><b>${name}</b></summary><div id="${name}">${shapeOf(schema)}</div></details>`)}
</section>
</main>
</body>
</html>`;
}

const SHAPES = 'Shapes';

function oneCall({
  method,
  path,
  summary = '',
  security = [],
  parameters = [],
  requestBody,
  responses,
}: Call) {
  const scopes = security.flatMap(({ key = [] }) => key);
  return html`<details>
<summary><code><b>${method}</b> ${path}</code> <span>${prose(summary)}</span>${security.length > 0 ? html` <small>key${scopes.length > 0 ? `: ${scopes.join(' or ')}` : ''}</small>` : ''}</summary>
${parameters.length > 0 ? html`<h3>Parameters</h3>${fieldList(parameters.map(fieldOf))}` : ''}
${requestBody ? html`<h3>Body</h3>${bodyOf(requestBody.content)}` : ''}
<h3>Answers</h3>
<dl>${Object.entries(responses).map(
    ([status, { description, content = {} }]) =>
      html`<dt><code>${status === 'default' ? 'else' : status}</code></dt><dd>${prose(description)} ${bodyOf(content)}</dd>`,
  )}</dl>
</details>`;
}

/** A parameter is a field of the path, of the query or of the headers. */
function fieldOf({ name, in: place, required = false, schema }: Parameter): Field {
  const [field] = fieldsOf({ properties: { [name]: schema } });
  return { ...field!, required, place };
}

function bodyOf(content: Content) {
  return Object.entries(content).map(
    ([type, { schema = {} }]) =>
      html`${type === 'application/json' ? '' : html`<code>${type}</code> `}${shapeOf(schema)}`,
  );
}

function shapeOf(schema: Schema) {
  const fields = schema.$ref ? [] : fieldsOf(schema);
  if (fields.length === 0) return html`<span>${pieces(typeOf(schema))}</span>`;
  const extended = extendedBy(schema).map((shape) => html`<p>Everything of ${pieces([{ shape }])}, and:</p>`);
  return html`${extended}${fieldList(fields)}`;
}

function fieldList(fields: readonly Field[]) {
  return html`<dl>${fields.map(
    ({ name, required, place, type, about }) =>
      html`<dt><code>${name}</code>${required ? html`<b title="needed">*</b>` : ''}</dt><dd><i>${pieces(type)}</i>${place ? ` in the ${place}` : ''}${about ? html` <span>${prose(about)}</span>` : ''}</dd>`,
  )}</dl>`;
}

const pieces = (type: readonly Piece[]) =>
  type.map((piece) =>
    typeof piece === 'string' ? piece : html`<a href="#${piece.shape}">${piece.shape}</a>`,
  );

/** What stands between backticks is code. */
const prose = (text: string) =>
  text.split('`').map((part, i) => (i % 2 === 1 ? html`<code>${part}</code>` : part));
