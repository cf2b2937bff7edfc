/** A model brought into a runner's memory before anybody waits for it. */
import { z } from '@hono/zod-openapi';
import { requirePrincipal } from '../context.ts';
import { type InvokeDeps, invoke, pinModel } from '../invoke.ts';
import { type App, json, needs, ok, problems, routesOf } from './kit.ts';
import { storable } from './schemas.ts';

const route = routesOf('Models');

const Wanted = z
  .strictObject({
    model: storable(1000).min(3).openapi({ description: 'A base, a version or a mix, as for a chat' }),
  })
  .openapi('Wanted');

const Warm = z
  .object({
    base: z.string(),
    versions: z.array(z.string()).openapi({ description: 'The adapters, as `owner/name@3`' }),
    seconds: z.number().openapi({ description: 'What the first request would have waited for' }),
  })
  .openapi('Warm');

/** Any will do: what it says is thrown away. */
const PROMPT = { kind: 'tokens' as const, tokens: [0] };
const ONE_TOKEN = { temperature: 0, topP: 1, topK: 0, minP: 0, frequencyPenalty: 0, presencePenalty: 0 };

export function warmRoutes(app: App, deps: InvokeDeps): void {
  app.openapi(
    route({
      method: 'post',
      path: '/warm',
      summary: 'Load a base and adapters where they would be asked; it counts as a request for one token',
      ...needs('infer'),
      request: { body: { ...json(Wanted), required: true } },
      responses: { 200: ok(Warm, 'They are in the memory of a runner'), ...problems },
    }),
    async (c) => {
      const principal = requirePrincipal(c, 'infer');
      const { model } = c.req.valid('json');
      const { base, terms } = await pinModel(deps.db, principal, model);
      const began = performance.now();
      const { answerId: id, requestId } = c.var;
      const sampling = { ...ONE_TOKEN, logitBias: {}, stop: [], maxTokens: 1, echo: false };
      const asked = { id, requestId, model, prompt: PROMPT, sampling, n: 1 };
      for await (const _event of await invoke(deps, principal, asked, c.req.raw.signal));
      const versions = terms.map((term) =>
        'version' in term
          ? `${term.version.adapterId}@${term.version.number}`
          : `${term.job.target}@${term.checkpoint.id}`,
      );
      return c.json({ base: base.id, versions, seconds: (performance.now() - began) / 1000 }, 200);
    },
  );
}
