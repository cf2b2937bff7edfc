/** One adapter. Each tab is a page of its own, with its own URL. */
import { Link } from 'react-router';
import { type Api, dataOf, Problem, type Schemas } from '../api.ts';
import { useViewer } from '../layout.tsx';
import { useLoaded } from '../loaded.ts';
import { Failure, useAction } from '../parts/action.tsx';
import { Files } from '../parts/adapter/files.tsx';
import { Manage } from '../parts/adapter/manage.tsx';
import { Overview } from '../parts/adapter/overview.tsx';
import { Status } from '../parts/adapter/status.tsx';
import { Use } from '../parts/adapter/use.tsx';
import { Verified } from '../parts/adapter/verified.tsx';
import { Versions } from '../parts/adapter/versions.tsx';
import { Warmth } from '../parts/adapter-card.tsx';
import { count } from '../parts/format.ts';
import { Tabs } from '../parts/tabs.tsx';
import { type Asked, browserApi, type Viewer } from '../routes.tsx';

const TABS = {
  '': 'Overview',
  verification: 'Verification',
  versions: 'Versions',
  files: 'Files',
  use: 'Use it',
  manage: 'Manage',
} as const;
type Tab = keyof typeof TABS;

export const loader = async ({ api, viewer, url, params }: Asked) => {
  const tab = params['tab'] ?? '';
  if (!(tab in TABS)) throw new Problem({ detail: `There is no page ${tab} of an adapter.` }, 404);
  const path = { owner: params['owner']!, name: params['name']! };
  const role = viewer?.name === path.owner ? 'admin' : roleIn(viewer, path.owner);
  if (tab === 'manage' && role !== 'admin')
    throw new Problem({ detail: 'That is for those who administer it.' }, 403);
  const adapter = await dataOf(api.GET('/api/adapters/{owner}/{name}', { params: { path } }));
  const asked = Number(url.searchParams.get('version') ?? (adapter.latest || adapter.versions[0]?.number));
  const number = Number.isInteger(asked) && asked > 0 ? asked : adapter.latest;
  const numbered = { params: { path: { ...path, number } } };
  const [version, family, { adapters: similar }, other, { warm }] = await Promise.all([
    dataOf(api.GET('/api/adapters/{owner}/{name}/versions/{number}', numbered)),
    dataOf(api.GET('/api/adapters/{owner}/{name}/versions/{number}/family', numbered)),
    dataOf(api.GET('/api/adapters/{owner}/{name}/similar', { params: { path } })),
    tab === 'versions' ? comparedWith(api, path, url.searchParams.get('with')) : null,
    dataOf(api.GET('/api/adapters', { params: { query: { limit: 1 } } })),
  ]);
  const isWarm = warm.includes(version.base);
  const shown = tab === 'verification' ? version : { ...version, verification: withoutFindings(version) };
  return {
    adapter,
    version: shown,
    family,
    similar,
    other,
    isWarm,
    tab: tab as Tab,
    role,
    origin: url.origin,
  };
};

/** What the gate found is long, and goes along only where all of it is shown; the differences of versions need its evaluation. */
function withoutFindings({
  verification,
}: Schemas['VersionDetail']): Schemas['VersionDetail']['verification'] {
  const { findings } = verification ?? {};
  if (!verification || !findings) return verification;
  return { ...verification, record: null, findings: { ...findings, spectrum: [] } };
}
const roleIn = (viewer: Viewer | null, name: string) =>
  viewer?.organisations.find((one) => one.name === name)?.role;

export type Shown = Awaited<ReturnType<typeof loader>>;

async function comparedWith(api: Api, path: { owner: string; name: string }, number: string | null) {
  if (number === null) return null;
  const params = { path: { ...path, number: Number(number) } };
  return dataOf(api.GET('/api/adapters/{owner}/{name}/versions/{number}', { params }));
}

export function Component() {
  const shown = useLoaded<typeof loader>();
  const { adapter, version, tab, isWarm } = shown;
  const which = version.number === adapter.latest ? '' : `?version=${version.number}`;
  const pathOf = (name: string) => `/adapters/${adapter.id}${name && `/${name}`}${which}`;
  return (
    <>
      <title>{`${version.title} · Patchbay`}</title>
      <meta name="description" content={version.summary} />
      <header className="mb-4 flex flex-col gap-2">
        <p className="text-sm text-quiet">
          <Link className="link" to={`/people/${adapter.owner}`}>
            {adapter.owner}
          </Link>{' '}
          / {adapter.name}
        </p>
        <div className="flex flex-wrap items-center gap-3">
          <h1 className="min-w-0 break-words">{version.title}</h1>
          <Status status={version.status} />
          <Warmth warm={isWarm} />
          {adapter.visibility === 'private' && <span className="chip">private</span>}
          {adapter.gate && <span className="chip">gated</span>}
          <span className="ml-auto flex flex-wrap items-center gap-3 text-sm text-quiet">
            {count(adapter.downloads)} downloads in 30 days
            <Like key={adapter.id} adapter={adapter} />
          </span>
        </div>
        {version.summary && <p className="max-w-prose break-words">{version.summary}</p>}
        {version.number !== adapter.latest && (
          <p className="panel px-3 py-2 text-sm">
            This is version {version.number}.{' '}
            {adapter.latest > 0 && (
              <Link className="link" to={`/adapters/${adapter.id}`}>
                The latest is {adapter.latest}.
              </Link>
            )}{' '}
            {version.status === 'pending' && 'It is listed once it is verified.'}
            {version.status === 'refused' && (
              <span className="text-bad">
                {version.verification?.problems.map(({ detail }) => detail).join(' ')}
              </span>
            )}
          </p>
        )}
      </header>
      <Tabs
        label="Of this adapter"
        tabs={Object.entries(TABS)
          .filter(([name]) => name !== 'manage' || shown.role === 'admin')
          .map(([name, label]) => [pathOf(name), label])}
        current={pathOf(tab)}
      />
      {tab === '' && <Overview {...shown} />}
      {tab === 'verification' && <Verified {...shown} />}
      {tab === 'versions' && <Versions {...shown} />}
      {tab === 'files' && <Files {...shown} />}
      {tab === 'use' && <Use {...shown} />}
      {tab === 'manage' && <Manage {...shown} />}
    </>
  );
}

function Like({ adapter: { owner, name, likes, liked } }: { adapter: Schemas['AdapterDetail'] }) {
  const viewer = useViewer();
  const { busy, failure, run } = useAction();
  const label = `${count(likes)} ${likes === 1 ? 'like' : 'likes'}`;
  if (!viewer) return <span>{label}</span>;
  const toggle = () => {
    const asked = { params: { path: { owner, name } } };
    const path = '/api/adapters/{owner}/{name}/like';
    return run(() => (liked ? browserApi().DELETE(path, asked) : browserApi().PUT(path, asked)));
  };
  return (
    <>
      <button type="button" className="button py-0.5" aria-pressed={liked} disabled={busy} onClick={toggle}>
        <span aria-hidden>{liked ? '♥' : '♡'}</span> {label}
      </button>
      <Failure of={failure} />
    </>
  );
}
