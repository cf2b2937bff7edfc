/** The types that the site is checked against are those of the API: `npx vitest run web/api-types.test.ts -u` writes them anew. */
import openapiTS, { astToString } from 'openapi-typescript';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { InProcess } from '../test/in-process.ts';

let api: InProcess;
beforeAll(async () => {
  api = await InProcess.open();
});
afterAll(() => api.close());

it('describes the API as it is', async () => {
  const document = await (await api.call('GET', '/openapi.json')).text();
  const types = astToString(await openapiTS(document));
  await expect(`// Made from the OpenAPI document by api-types.test.ts.\n${types}`).toMatchFileSnapshot(
    './api-types.ts',
  );
});
