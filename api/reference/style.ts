/** How the reference looks: readable narrow and wide, in light and dark. */
export const STYLE = `
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 18%, transparent); --quiet: color-mix(in srgb, currentColor 70%, transparent); }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0; }
main { max-width: 60rem; margin: 0 auto; padding: 2rem 1rem 6rem; }
h1 a { color: inherit; text-decoration: none; }
h1 a:hover { text-decoration: underline; }
h2 { margin: 2.5rem 0 0; }
h2 + p { margin: 0 0 .75rem; color: var(--quiet); }
h3 { margin: 1rem 0 .25rem; font-size: 1rem; }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1rem; padding: 0; list-style: none; }
nav a { display: inline-block; padding: .25rem 0; }
a { color: light-dark(#0f5f63, #5fc9c4); }
code { font-size: .9em; overflow-wrap: anywhere; }
details { border-bottom: 1px solid var(--line); }
details[open] { padding-bottom: 1rem; }
details > :not(summary) { margin-left: 1rem; }
summary { padding: .6rem 0 .6rem 1.1rem; text-indent: -1.1rem; cursor: pointer; }
summary span { margin-left: .5rem; }
small { color: var(--quiet); margin-left: .5rem; white-space: nowrap; }
dl { display: grid; grid-template-columns: minmax(8rem, max-content) 1fr; gap: .25rem 1rem; margin: 0; }
dt code { overflow-wrap: normal; }
dd { margin: 0; min-width: 0; overflow-wrap: anywhere; }
dd i { font-style: normal; }
dd span { color: var(--quiet); }
dd dl { margin: .25rem 0 .5rem; }
@media (max-width: 40rem) {
  summary span { display: block; margin-left: 0; text-indent: 0; }
  small { margin-left: 0; }
  dl { display: block; }
  dd { padding: 0 0 .5rem 1rem; }
}
`;
