/** The card, the try-it box, and what is worth knowing beside them. */
import { lazy, Suspense } from 'react';
import { Link } from 'react-router';
import { useViewer } from '../../layout.tsx';
import type { Shown } from '../../pages/adapter.tsx';
import { bytes, count, date } from '../format.ts';
import { Gain } from '../gain.tsx';
import { AskForAccess, Report } from './concern.tsx';

const TryIt = lazy(() => import('../try-it.tsx'));

export function Overview({ adapter, version, family, similar, role }: Shown) {
  const viewer = useViewer();
  const facts = [
    [
      'Base',
      <Link key="base" className="link" to={`/bases/${version.base}`}>
        {version.base}
      </Link>,
    ],
    ['Task', adapter.task],
    ['Rank', version.rank],
    ['Adapted', version.targetModules.join(', ')],
    ['Parameters', count(version.parameters)],
    ['Size', bytes(version.size)],
    ['Languages', adapter.languages.join(', ')],
    ['Licence', adapter.license],
    ['Published', date(version.createdAt)],
  ] as const;
  return (
    <div className="grid grid-cols-1 gap-8 lg:grid-cols-[minmax(0,1fr)_20rem]">
      <div className="flex min-w-0 flex-col gap-6">
        {viewer && adapter.gate && !role && <AskForAccess adapter={adapter} />}
        <Try reference={version.reference} base={version.base} />
        {/* biome-ignore lint/security/noDangerouslySetInnerHtml: the API made it from Markdown and sanitised it */}
        <div className="card-text" dangerouslySetInnerHTML={{ __html: adapter.cardHtml }} />
        {adapter.cardHtml.trim() === '' && (
          <p className="text-quiet">Its publisher has not written a card.</p>
        )}
      </div>
      <aside className="flex flex-col gap-6 text-sm">
        <section className="panel p-4">
          <h2 className="mb-2 text-base">Better than its base by</h2>
          <Gain {...adapter} />
          <p className="mt-2 text-quiet">
            Nats per token on held-out rows, with a 95% interval.{' '}
            <Link className="link" to={`/adapters/${adapter.id}/verification`}>
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
                  </Link>
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

function Try({ reference, base }: { reference: string; base: string }) {
  const viewer = useViewer();
  if (!viewer)
    return (
      <section className="panel flex flex-wrap items-center gap-3 p-4">
        <p className="flex-1">Ask it something, and its base beside it.</p>
        <Link
          className="button button-primary"
          to={`/sign-in?to=${encodeURIComponent(`/adapters/${reference.split('@')[0]}`)}`}
        >
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
  const line = [...ancestors].reverse();
  return (
    <section>
      <h2 className="mb-2 text-base">Lineage</h2>
      <ol className="border-l border-line">
        <Step to={`/bases/${base}`}>{base}</Step>
        {line.map((one) => (
          <Step key={one} to={pageOf(one)}>
            {one}
          </Step>
        ))}
        <li className="ml-3 py-0.5 font-semibold" aria-current="true">
          {reference}
        </li>
        {descendants.map(({ reference: child, parent }) => (
          <li key={child} className="ml-6 py-0.5">
            <Link className="link" to={pageOf(child)}>
              {child}
            </Link>
            {parent !== reference && <span className="text-quiet"> from {parent}</span>}
          </li>
        ))}
      </ol>
    </section>
  );
}

const pageOf = (reference: string) => {
  const [id, version] = reference.split('@');
  return `/adapters/${id}?version=${version}`;
};

function Step({ to, children }: { to: string; children: string }) {
  return (
    <li className="ml-3 py-0.5">
      <Link className="link" to={to}>
        {children}
      </Link>
    </li>
  );
}
