/** All versions, and what differs between two. */
import { Link } from 'react-router';
import type { Schemas } from '../../api.ts';
import type { Shown } from '../../pages/adapter.tsx';
import { bytes, date, signed } from '../format.ts';
import { Scroll } from '../scroll.tsx';
import { Status } from './status.tsx';

export function Versions({ adapter, version, other }: Shown) {
  return (
    <div className="flex flex-col gap-8">
      <Scroll label="Versions">
        <table className="table">
          <thead>
            <tr>
              <th scope="col">Version</th>
              <th scope="col">Status</th>
              <th scope="col">Published</th>
              <th scope="col">Rank</th>
              <th scope="col">Size</th>
              <th scope="col">From</th>
              {adapter.versions.length > 1 && <th scope="col">Compare</th>}
            </tr>
          </thead>
          <tbody>
            {adapter.versions.map(({ number, status, branch, createdAt, rank, size, lineage, receipt }) => (
              <tr key={number}>
                <th scope="row">
                  <Link className="link" to={`/adapters/${adapter.id}?version=${number}`}>
                    {number}
                  </Link>
                  {number === adapter.latest && <span className="font-normal"> latest</span>}
                  {branch && <span className="font-normal"> on {branch}</span>}
                </th>
                <td>
                  <Status status={status} />
                </td>
                <td className="whitespace-nowrap">{date(createdAt)}</td>
                <td>{rank}</td>
                <td className="whitespace-nowrap">{bytes(size)}</td>
                <td>{lineage || receipt ? 'trained here' : 'uploaded'}</td>
                {adapter.versions.length > 1 && (
                  <td>
                    {number !== version.number && (
                      <Link
                        className="link"
                        preventScrollReset
                        to={`/adapters/${adapter.id}/versions?version=${version.number}&with=${number}`}
                      >
                        with {version.number}
                      </Link>
                    )}
                  </td>
                )}
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
      {other && <Differences a={other} b={version} />}
      {version.receipt && <Receipt reference={version.reference} receipt={version.receipt} />}
    </div>
  );
}

type Detail = Schemas['VersionDetail'];

function Differences({ a, b }: { a: Detail; b: Detail }) {
  const changed = changes(factsOf(a), factsOf(b));
  const card = changes(linesOf(a.card), linesOf(b.card));
  return (
    <section>
      <h2 className="mb-2">
        From version {a.number} to {b.number}
      </h2>
      {changed.length === 0 && card.length === 0 && <p className="text-quiet">Nothing but the number.</p>}
      {changed.length > 0 && (
        <Scroll label="Differences">
          <table className="table">
            <thead>
              <tr>
                <th scope="col">What</th>
                <th scope="col">{a.number}</th>
                <th scope="col">{b.number}</th>
              </tr>
            </thead>
            <tbody>
              {changed.map(([name, before, after]) => (
                <tr key={name}>
                  <th scope="row">{name}</th>
                  <td className="break-all text-bad">{before ?? ''}</td>
                  <td className="break-all text-good">{after ?? ''}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
      {card.length > 0 && (
        <>
          <h3 className="mt-4 mb-1">Card</h3>
          <Scroll label="Card" className="panel">
            <pre className="p-3 text-sm">
              {card.map(([line, before]) => (
                <span
                  key={line + String(before)}
                  className={`block ${before === undefined ? 'text-good' : 'text-bad'}`}
                >
                  {before === undefined ? '+ ' : '− '}
                  {line}
                </span>
              ))}
            </pre>
          </Scroll>
        </>
      )}
    </section>
  );
}

const text = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value));

function factsOf({
  base,
  rank,
  parameters,
  size,
  targetModules,
  config,
  files,
  verification,
}: Detail): Map<string, string> {
  const difference = verification?.findings?.evaluation?.lossDifference.value;
  return new Map([
    ['base', base],
    ['rank', String(rank)],
    ['parameters', String(parameters)],
    ['size', bytes(size)],
    ['target modules', targetModules.join(', ')],
    ...(difference === undefined ? [] : [['gain over base', signed(-difference)] as const]),
    ...Object.entries(config).map(([name, value]) => [`config: ${name}`, text(value)] as const),
    ...files.map(({ path, sha256 }) => [`file: ${path}`, sha256.slice(0, 12)] as const),
  ]);
}

/** Lines that are in one card alone are told, wherever they stand. */
const linesOf = (card: string) =>
  new Map(
    card
      .split('\n')
      .filter(Boolean)
      .map((line) => [line, '']),
  );

/** @returns name, before, after */
function changes(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>) {
  const names = [...new Set([...a.keys(), ...b.keys()])];
  return names.map((name) => [name, a.get(name), b.get(name)] as const).filter(([, x, y]) => x !== y);
}

function Receipt({ reference, receipt }: { reference: string; receipt: Record<string, unknown> }) {
  return (
    <section>
      <h2 className="mb-1">Receipt</h2>
      <p className="mb-2 max-w-prose text-quiet">
        How it was trained: with the same rows, <code>patchbay reproduce {reference} --data …</code> makes the
        same bytes.
      </p>
      <Scroll label="Receipt" className="panel max-h-96">
        <pre className="p-3 font-mono text-xs">{JSON.stringify(receipt, null, 2)}</pre>
      </Scroll>
    </section>
  );
}
