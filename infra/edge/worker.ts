/** The module that `npm run build:edge` bundles: the API, and the site's pages as `npm run build` made them. */

import manifest from 'site:manifest' with { type: 'json' };
import { renderPage, renderRefusal } from 'site:pages';
import { createWorker } from '../../api/edge.ts';

export default createWorker({
  page: (request, ask) => renderPage(request, ask, manifest),
  refusal: (request, why) => renderRefusal(request, why, manifest),
});
