/** Places of this site, from what a URL says: whatever it says, it leads nowhere else. */

/** A browser takes `//elsewhere` for another server. */
export const ownPath = (path: string): string => path.replace(/^[/\\]+/, '/');

/** @param asked as browsers read it: they drop tabs, and take `\` for `/`. @returns `/` for a place elsewhere */
export function placeWithin(origin: string, asked: string): string {
  const url = URL.canParse(asked, origin) ? new URL(asked, origin) : undefined;
  return url?.origin === origin ? ownPath(url.pathname) + url.search + url.hash : '/';
}
