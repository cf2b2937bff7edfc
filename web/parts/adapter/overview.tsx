/** The card, the try-it box, and what is worth knowing beside them. */
import { lazy, Suspense } from 'react';
import { Link } from 'react-router';
import { useViewer } from '../../layout.tsx';
import type { Shown } from '../../pages/adapter.tsx';
import { bytes, count, date } from '../format.ts';
import { Comparison, scaleOf } from '../gain.tsx';
import { AskForAccess, Report } from './concern.tsx';

const TryIt = lazy(() => import('../try-it.tsx'));

export function Overview({ adapter, version, family, similar, role }: Shown) {
  const viewer = useViewer();
  const which = version.number === adapter.latest ? '' : `?version=${version.number}`;
  const facts = [
    [
      'Base',
      <Link key="base" className="link" to={`/bases/${version.base}`}>
        {version.base}
      </Link>,
    ],
    ['Task', version.task],
    ['Rank', version.rank],
    ['Adapted', version.targetModules.join(', ')],
    ['Parameters', count(version.parameters)],
    ['Size', bytes(version.size)],
    ['Languages', version.languages.join(', ')],
    ['Licence', version.license],
    ['Published', date(version.createdAt)],
  ] as const;
  return (
    <div className="grid grid-cols-1 gap-8 lg:grid-cols-[minmax(0,1fr)_20rem]">
      <div className="flex min-w-0 flex-col gap-6">
        {viewer && adapter.gate && !role && <AskForAccess adapter={adapter} />}
        {version.status === 'passed' && (
          <Try reference={version.reference} base={version.base} here={`/adapters/${adapter.id}${which}`} />
        )}
        <Card html={withoutTitle(version.cardHtml, version.title)} />
        {version.cardHtml.trim() === '' && (
          <p className="text-quiet">Its publisher has not written a card.</p>
        )}
      </div>
      <aside className="flex flex-col gap-6 text-sm">
        <section className="panel p-4">
          <h2 className="mb-3 text-base">Beside its base</h2>
          <Comparison {...version} scale={scaleOf([version])} />
          <p className="mt-3 text-quiet">
            {version.evaluation &&
              `On ${version.evaluation.rows} held-out rows; the gain in nats per token, with its 95% interval. `}
            <Link className="link" to={`/adapters/${adapter.id}/verification${which}`}>
              What was checked
            </Link>
          </p>
        </section>
        <dl className="grid grid-cols-[auto_minmax(0,1fr)] gap-x-4 gap-y-1">
          {facts.map(
            ([name, value]) =>
              value && (
                <div key={name} className="contents">
                  <dt className="text-quiet">{name}</dt>
                  <dd className="break-words">{value}</dd>
                </div>
              ),
          )}
        </dl>
        <Lineage family={family} reference={version.reference} />
        {similar.length > 0 && (
          <section>
            <h2 className="mb-2 text-base">Similar</h2>
            <ul className="flex flex-col gap-1">
              {similar.map(({ id, title }) => (
                <li key={id}>
                  <Link className="link" to={`/adapters/${id}`}>
                    {title}
                  </Link>{' '}
                  <span className="break-all text-quiet">{id}</span>
                </li>
              ))}
            </ul>
          </section>
        )}
        {viewer && <Report adapter={adapter} />}
      </aside>
    </div>
  );
}

function Card({ html }: { html: string }) {
  // biome-ignore lint/security/noDangerouslySetInnerHtml: the API made it from Markdown and sanitised it
  return <div className="card-text" dangerouslySetInnerHTML={{ __html: html }} />;
}

/** The title stands above already. What is left is as the API made it. */
function withoutTitle(html: string, title: string): string {
  const heading = /^\s*<h1>([^<]*)<\/h1>/.exec(html);
  return heading?.[1] === title ? html.slice(heading[0].length) : html;
}

function Try({ reference, base, here }: { reference: string; base: string; here: string }) {
  const viewer = useViewer();
  if (!viewer)
    return (
      <section className="panel flex flex-wrap items-center gap-3 p-4">
        <p className="flex-1">Ask it something, and its base beside it.</p>
        <Link className="button button-primary" to={`/sign-in?to=${encodeURIComponent(here)}`}>
          Sign in to try it
        </Link>
      </section>
    );
  return (
    <Suspense fallback={<div className="panel h-40" />}>
      <TryIt key={reference} reference={reference} base={base} />
    </Suspense>
  );
}

/** Base, then what it was trained from, itself, and what was trained from it. */
function Lineage({
  family: { base, ancestors, descendants },
  reference,
}: Pick<Shown, 'family'> & { reference: string }) {
  return (
    <section>
      <h2 className="mb-2 text-base">Lineage</h2>
      <ol className="lineage">
        <li>
          <Link className="link" to={`/bases/${base}`}>
            {base}
          </Link>{' '}
          <span className="text-quiet">base</span>
        </li>
        {[...ancestors].reverse().map((one) => (
          <li key={one}>
            <Named reference={one} />
          </li>
        ))}
        <li className="font-semibold" aria-current="true">
          {reference}
        </li>
        {descendants.map(({ reference: child, parent }) => (
          <li key={child} className="ml-4">
            <Named reference={child} />
            {parent !== reference && <span className="text-quiet"> from {parent}</span>}
          </li>
        ))}
      </ol>
    </section>
  );
}

function Named({ reference }: { reference: string }) {
  const [id, version] = reference.split('@');
  return (
    <Link className="link" to={`/adapters/${id}?version=${version}`}>
      {reference}
    </Link>
  );
}
