/** The page around the page. */
import type { ReactNode } from 'react';

export const STATE = 'state';

/** @param run what takes the page over in the browser; absent: it stays as it is */
export function Document({
  styles,
  fonts,
  run,
  children,
}: {
  styles: readonly string[];
  fonts: readonly string[];
  run?: { readonly scripts: readonly string[]; readonly entry: string; readonly state: object };
  children: ReactNode;
}) {
  return (
    <html lang="en">
      <head>
        <meta charSet="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <link rel="icon" href={ICON} />
        <meta name="theme-color" media="(prefers-color-scheme: light)" content="#ffffff" />
        <meta name="theme-color" media="(prefers-color-scheme: dark)" content="#1a1d22" />
        {fonts.map((file) => (
          <link
            key={file}
            rel="preload"
            as="font"
            type="font/woff2"
            crossOrigin="anonymous"
            href={`/${file}`}
          />
        ))}
        {styles.map((file) => (
          <link key={file} rel="stylesheet" href={`/${file}`} />
        ))}
        {run?.scripts.map((file) => (
          // The page can be read before they are there.
          <link key={file} rel="modulepreload" href={`/${file}`} fetchPriority="low" />
        ))}
        {run && <script type="module" src={run.entry} fetchPriority="low" />}
      </head>
      <body>
        <div id="app">{children}</div>
        {run && (
          <script
            type="application/json" // data, not a script
            id={STATE}
            // biome-ignore lint/security/noDangerouslySetInnerHtml: JSON, in which no element can begin or end
            dangerouslySetInnerHTML={{ __html: JSON.stringify(run.state).replaceAll('<', '\\u003c') }}
          />
        )}
      </body>
    </html>
  );
}

/** A plug. */
const ICON =
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Crect width='16' height='16' rx='4' fill='%230f5f63'/%3E%3Cpath d='M5 3v3M11 3v3M4 6h8v2a4 4 0 0 1-8 0zM8 12v2' stroke='%23fff' stroke-width='1.5' fill='none' stroke-linecap='round'/%3E%3C/svg%3E";
