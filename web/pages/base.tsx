/** One base model, and what was made for it. */
import { Link } from 'react-router';
import { dataOf } from '../api.ts';
import { useLoaded } from '../loaded.ts';
import { AdapterCards, Warmth } from '../parts/adapter-card.tsx';
import { bytes, count } from '../parts/format.ts';
import { Table } from '../parts/table.tsx';
import type { Asked } from '../routes.tsx';

const SHOWN = 6;

export const loader = async ({ api, params }: Asked) => {
  const path = { owner: params['owner']!, name: params['name']! };
  const query = {
    base: `${path.owner}/${path.name}`,
    sort: 'downloads' as const,
    limit: SHOWN,
    counts: 'true' as const,
  };
  const [base, page] = await Promise.all([
    dataOf(api.GET('/api/bases/{owner}/{name}', { params: { path } })),
    dataOf(api.GET('/api/adapters', { params: { query } })),
  ]);
  return { base, page };
};

export function Component() {
  const { base, page } = useLoaded<typeof loader>();
  const {
    id,
    architecture,
    parameters,
    contextLength,
    hiddenSize,
    layers,
    vocabSize,
    cardHtml,
    files,
    digest,
  } = base;
  const isWarm = page.warm.includes(id);
  const facts = [
    ['Architecture', architecture],
    ['Parameters', count(parameters)],
    ['Context', `${contextLength.toLocaleString('en')} tokens`],
    ['Layers', layers],
    ['Hidden size', hiddenSize],
    ['Vocabulary', vocabSize.toLocaleString('en')],
  ] as const;
  return (
    <div className="flex flex-col gap-8">
      <title>{`${id} · Patchbay`}</title>
      <header className="flex flex-wrap items-center gap-3">
        <h1 className="break-all">{id}</h1>
        <Warmth warm={isWarm} />
        <span className="ml-auto flex flex-wrap gap-2">
          <Link className="button" to={`/playground?model=${encodeURIComponent(id)}`}>
            Playground
          </Link>
          <Link className="button button-primary" to={`/train?model=${encodeURIComponent(id)}`}>
            Train an adapter
          </Link>
        </span>
      </header>
      <dl className="panel grid grid-cols-2 gap-4 p-4 sm:grid-cols-3 lg:grid-cols-6">
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt className="text-sm text-quiet">{name}</dt>
            <dd className="font-semibold">{value}</dd>
          </div>
        ))}
      </dl>
      <section>
        <div className="mb-3 flex items-baseline gap-3">
          <h2>{page.counts?.total.toLocaleString('en')} adapters</h2>
          <Link className="link" to={`/?base=${encodeURIComponent(id)}`}>
            All of them
          </Link>
          <Link className="link" to={`/leaderboard?base=${encodeURIComponent(id)}`}>
            Leaderboard
          </Link>
        </div>
        <AdapterCards adapters={page.adapters} warm={page.warm} />
      </section>
      {/* biome-ignore lint/security/noDangerouslySetInnerHtml: the API made it from Markdown and sanitised it */}
      <div className="card-text" dangerouslySetInnerHTML={{ __html: cardHtml }} />
      <section>
        <h2 className="mb-2">Files</h2>
        <p className="mb-2 text-sm text-quiet">
          Digest <code className="break-all">{digest}</code>
        </p>
        <Table head={['File', 'Size', 'sha256']} label="Files">
          {files.map(({ path, size, sha256 }) => (
            <tr key={path}>
              <th scope="row">{path}</th>
              <td className="whitespace-nowrap">{bytes(size)}</td>
              <td className="font-mono text-xs break-all">{sha256}</td>
            </tr>
          ))}
        </Table>
      </section>
    </div>
  );
}
