/** The module that `npm run build:edge` bundles: the API, and the site's pages as `npm run build` made them. */

import manifest from 'site:manifest' with { type: 'json' };
import { renderPage } from 'site:pages';
import { createWorker } from '../../api/edge.ts';

export default createWorker((request, ask) => renderPage(request, ask, manifest));
