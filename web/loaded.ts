import { useLoaderData } from 'react-router';

/** What the page's loader returned. */
export const useLoaded = <L extends (...asked: never[]) => unknown>() =>
  useLoaderData() as Exclude<Awaited<ReturnType<L>>, Response>;
