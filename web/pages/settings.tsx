/** What belongs to whoever is signed in: keys, organisations, usage, webhooks, the log. */
import { useState } from 'react';
import { Link } from 'react-router';
import { accounts } from '../accounts.ts';
import { type Api, dataOf, Problem } from '../api.ts';
import { useLoaded } from '../loaded.ts';
import { Failure } from '../parts/action.tsx';
import { Audit } from '../parts/settings/audit.tsx';
import { Keys } from '../parts/settings/keys.tsx';
import { Organisations } from '../parts/settings/organisations.tsx';
import { Password } from '../parts/settings/password.tsx';
import { Usage } from '../parts/settings/usage.tsx';
import { Webhooks } from '../parts/settings/webhooks.tsx';
import { Tabs } from '../parts/tabs.tsx';
import type { Asked } from '../routes.tsx';

const TABS = [
  ['/settings', 'Keys'],
  ['/settings/organisations', 'Organisations'],
  ['/settings/usage', 'Usage and earnings'],
  ['/settings/webhooks', 'Webhooks'],
  ['/settings/audit', 'Log'],
  ['/settings/password', 'Password'],
] as const;

export const personal = true;

export const loader = async ({ api, url, params }: Asked) => {
  // Asked anew: one may have made an organisation here.
  const who = await dataOf(api.GET('/api/whoami'));
  return { who, shown: await shownOn(params['tab'] ?? 'keys', api, url.searchParams) };
};

async function shownOn(tab: string, api: Api, query: URLSearchParams) {
  switch (tab) {
    case 'keys':
      return { tab: 'keys' as const, ...(await dataOf(api.GET('/api/keys'))) };
    case 'organisations':
      return { tab: 'organisations' as const };
    case 'usage': {
      const month = query.get('month');
      const params = { query: month ? { month } : {} };
      const [usage, earnings] = await Promise.all([
        dataOf(api.GET('/api/usage', { params })),
        dataOf(api.GET('/api/earnings', { params })),
      ]);
      return { tab: 'usage' as const, usage, earnings };
    }
    case 'webhooks': {
      const { webhooks } = await dataOf(api.GET('/api/webhooks'));
      const logs = webhooks.map(async (webhook) => {
        const asked = { params: { path: { id: webhook.id } } };
        return { webhook, ...(await dataOf(api.GET('/api/webhooks/{id}/deliveries', asked))) };
      });
      return { tab: 'webhooks' as const, webhooks: await Promise.all(logs) };
    }
    case 'audit': {
      const before = Number(query.get('before')) || undefined;
      const params = { query: before ? { before } : {} };
      return { tab: 'audit' as const, ...(await dataOf(api.GET('/api/audit', { params }))) };
    }
    case 'password':
      return { tab: 'password' as const };
    default:
      throw new Problem({ detail: `There are no settings ${tab}.` }, 404);
  }
}

export function Component() {
  const { who, shown } = useLoaded<typeof loader>();
  const [failure, setFailure] = useState<unknown>();
  const leave = () =>
    accounts()
      .signOut()
      .then(() => location.assign('/'), setFailure);
  return (
    <div>
      <title>Settings · Patchbay</title>
      <header className="mb-4 flex flex-wrap items-center gap-3">
        <h1 className="flex-1">{who.owner}</h1>
        <Link className="button" to={`/people/${who.owner}`}>
          Your page
        </Link>
        <button type="button" className="button" onClick={leave}>
          Sign out
        </button>
        <Failure of={failure} />
      </header>
      <Tabs
        label="Settings"
        tabs={TABS}
        current={shown.tab === 'keys' ? '/settings' : `/settings/${shown.tab}`}
      />
      {shown.tab === 'keys' && <Keys keys={shown.keys} />}
      {shown.tab === 'organisations' && <Organisations organisations={who.organisations} />}
      {shown.tab === 'usage' && (
        <Usage key={shown.usage.month} usage={shown.usage} earnings={shown.earnings} />
      )}
      {shown.tab === 'webhooks' && <Webhooks webhooks={shown.webhooks} />}
      {shown.tab === 'audit' && <Audit events={shown.events} next={shown.next} />}
      {shown.tab === 'password' && <Password />}
    </div>
  );
}
