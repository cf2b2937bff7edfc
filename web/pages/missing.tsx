/** Where no page is. */
import { Problem } from '../api.ts';
import type { Asked } from '../routes.tsx';

export const loader = ({ url }: Asked) => {
  throw new Problem({ detail: `There is no page ${url.pathname}.` }, 404);
};

export const Component = () => null;
