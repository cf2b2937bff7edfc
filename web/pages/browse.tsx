/** Home: the catalog, searched as one types. Everything that is chosen is in the URL. */
import { type ChangeEvent, useEffect, useRef } from 'react';
import { Form, Link, useNavigate, useSearchParams } from 'react-router';
import { dataOf, type Schemas } from '../api.ts';
import { useLoaded } from '../loaded.ts';
import { AdapterCards } from '../parts/adapter-card.tsx';
import { count } from '../parts/format.ts';
import { Hero } from '../parts/hero.tsx';
import { Mark } from '../parts/mark.tsx';
import type { Asked } from '../routes.tsx';

type Page = Schemas['AdapterPage'];
type Facet = keyof NonNullable<Page['counts']>['facets'];

const PAGE = 24;
/** Between the last key and the search. */
const TYPING_MS = 150;
const SHOWN_VALUES = 8;

const FACETS: Readonly<Partial<Record<Facet, string>>> = {
  base: 'Base',
  task: 'Task',
  evaluated: 'Verified on',
  rank: 'Rank up to',
  size: 'Size up to',
  language: 'Language',
  license: 'Licence',
  tag: 'Tag',
};
/** With those that have no list to choose from. */
const CHOICES: Readonly<Record<string, string>> = { ...FACETS, owner: 'Publisher' };
const SAID: Readonly<Record<string, string>> = {
  publisher: 'its publisher’s rows',
  base: 'the base’s standard rows',
};
const said = (facet: string, value: string): string => {
  if (facet === 'size') return value.replace(/(?<=\d)(?=[A-Z])/, ' '); // as sizes are written elsewhere
  return facet === 'evaluated' ? (SAID[value] ?? value) : value;
};
const SORTS = {
  relevance: 'Most relevant',
  newest: 'Newest',
  downloads: 'Most downloaded',
  likes: 'Most liked',
  gain: 'Largest gain over base',
} as const;
const ASKED = [...Object.keys(FACETS), 'q', 'sort', 'warm', 'owner', 'cursor'];

export const loader = ({ api, url, signal }: Asked): Promise<Page> => {
  const asked = [...url.searchParams].filter(([name, value]) => ASKED.includes(name) && value !== '');
  const query = { ...Object.fromEntries(asked), counts: 'true' as const, limit: PAGE };
  return dataOf(api.GET('/api/adapters', { params: { query }, signal }));
};

export function Component() {
  const page = useLoaded<typeof loader>();
  const [params] = useSearchParams();
  const words = params.get('q');
  // What this place is stands above the whole catalog; who looks for something has read it.
  const isFirst = page.adapters.length > 0 && ![...params].some(([name]) => ASKED.includes(name));
  return (
    <>
      <title>{words ? `${words} · Patchbay` : 'Patchbay: LoRA adapters that were verified'}</title>
      <meta
        name="description"
        content="Find a LoRA adapter that was verified against its base, try it here, train your own, and take the weights away."
      />
      {isFirst ? (
        <Hero adapters={page.adapters} />
      ) : (
        <h1 className="mb-6">{words ? <>Adapters for “{words}”</> : 'Adapters'}</h1>
      )}
      <div className="grid grid-cols-1 gap-6 lg:grid-cols-[15rem_minmax(0,1fr)]">
        <aside aria-label="Filters" className="hidden lg:block">
          <Facets page={page} />
        </aside>
        <div className="flex min-w-0 flex-col gap-4">
          <Search />
          <details className="panel p-3 lg:hidden">
            <summary className="cursor-pointer font-medium">Filters</summary>
            <div className="pt-3">
              <Facets page={page} />
            </div>
          </details>
          <Chosen />
          <Found page={page} />
        </div>
      </div>
    </>
  );
}

function Search() {
  const [params] = useSearchParams();
  const navigate = useNavigate();
  const form = useRef<HTMLFormElement>(null);
  const input = useRef<HTMLInputElement>(null);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);

  const search = () => {
    clearTimeout(timer.current);
    if (!form.current) return;
    const given = [...new FormData(form.current)].filter(([, value]) => value !== '') as [string, string][];
    navigate({ search: `?${new URLSearchParams(given)}` }, { replace: true, preventScrollReset: true });
  };
  const typed = (_event: ChangeEvent) => {
    clearTimeout(timer.current);
    timer.current = setTimeout(search, TYPING_MS);
  };
  const words = params.get('q') ?? '';
  const usual = words ? 'relevance' : 'newest';
  // What was searched for can be taken back elsewhere; who is typing is not interrupted.
  useEffect(() => {
    if (input.current && input.current !== document.activeElement) input.current.value = words;
  }, [words]);
  const kept = [...params].filter(
    ([name]) => !['q', 'sort', 'cursor'].includes(name) && ASKED.includes(name),
  );
  return (
    <Form ref={form} action="/" role="search" className="flex flex-wrap gap-2">
      <input
        ref={input}
        type="search"
        name="q"
        aria-label="Search adapters"
        placeholder="Search by task, name or words of the card"
        defaultValue={words}
        onChange={typed}
        className="min-w-0 flex-1 basis-60"
        maxLength={200}
      />
      <select
        name="sort"
        aria-label="Order"
        key={`${params.get('sort')} ${usual}`}
        defaultValue={params.get('sort') ?? ''}
        onChange={search}
      >
        <option value="">{SORTS[usual]}</option>
        {Object.entries(SORTS)
          .filter(([value]) => value !== usual && (value !== 'relevance' || words))
          .map(([value, label]) => (
            <option key={value} value={value}>
              {label}
            </option>
          ))}
      </select>
      {kept.map(([name, value]) => (
        <input key={name} type="hidden" name={name} value={value} />
      ))}
      <button type="submit" className="button">
        Search
      </button>
    </Form>
  );
}

/** The URL with one thing chosen, or taken back; always from the first page on. */
function chosen(params: URLSearchParams, name: string, value: string): string {
  const next = new URLSearchParams(params);
  next.delete('cursor');
  if (next.get(name) === value) next.delete(name);
  else next.set(name, value);
  return `/?${next}`;
}

/** Everything that is chosen, where it can be taken back: a facet shows only its most frequent values, and some have no list. */
function Chosen() {
  const [params] = useSearchParams();
  const chosenNow = [...params].filter(
    ([name, value]) => (name in CHOICES || name === 'warm') && value !== '',
  );
  if (chosenNow.length === 0) return null;
  return (
    <ul aria-label="Chosen" className="flex flex-wrap gap-2">
      {chosenNow.map(([name, value]) => (
        <li key={name} className="min-w-0 max-w-full">
          <Link to={chosen(params, name, value)} preventScrollReset className="chip hover:border-quiet">
            <span className="sr-only">Take back </span>
            <span className="min-w-0 truncate">
              {name === 'warm' ? 'Warm' : `${CHOICES[name]}: ${said(name, value)}`}
            </span>
            <span aria-hidden>×</span>
          </Link>
        </li>
      ))}
    </ul>
  );
}

function Facets({ page }: { page: Page }) {
  const [params] = useSearchParams();
  const facets = Object.entries(FACETS).map(([name, label]) => {
    return { name, label, values: page.counts?.facets[name as Facet] ?? [] };
  });
  return (
    <div className="flex flex-col gap-5 text-sm">
      <FacetValue
        to={chosen(params, 'warm', 'true')}
        label="Warm: answers at once"
        active={params.get('warm') === 'true'}
      />
      {facets
        .filter(({ values }) => values.length > 0)
        .map(({ name, label, values }) => (
          <section key={name} aria-label={label}>
            <h2 className="eyebrow mb-1">{label}</h2>
            <FacetValues name={name} values={values.slice(0, SHOWN_VALUES)} />
            {values.length > SHOWN_VALUES && (
              // What is chosen among them is seen without opening it.
              <details
                key={params.get(name)}
                open={values.slice(SHOWN_VALUES).some(({ value }) => value === params.get(name))}
              >
                <summary className="cursor-pointer py-0.5 text-quiet hover:text-ink">
                  {values.length - SHOWN_VALUES} more
                  <span className="sr-only"> of {label}</span>
                </summary>
                <FacetValues name={name} values={values.slice(SHOWN_VALUES)} />
              </details>
            )}
          </section>
        ))}
    </div>
  );
}

function FacetValues({
  name,
  values,
}: {
  name: string;
  values: readonly { readonly value: string; readonly count: number }[];
}) {
  const [params] = useSearchParams();
  return (
    <ul>
      {values.map(({ value, count: matches }) => (
        <li key={value}>
          <FacetValue
            to={chosen(params, name, value)}
            label={said(name, value)}
            matches={matches}
            active={params.get(name) === value}
          />
        </li>
      ))}
    </ul>
  );
}

function FacetValue({
  to,
  label,
  matches,
  active,
}: {
  to: string;
  label: string;
  matches?: number;
  active: boolean;
}) {
  return (
    <Link
      to={to}
      preventScrollReset
      aria-current={active || undefined}
      className={`-mx-2 flex justify-between gap-2 rounded px-2 py-0.5 hover:bg-sunken ${active ? 'bg-sunken font-semibold text-accent' : ''}`}
    >
      <span className="min-w-0 break-words">
        {label}
        {active && <span className="sr-only"> (chosen; choose again to take it back)</span>}
      </span>
      {matches !== undefined && <span className="text-quiet tabular-nums">{count(matches)}</span>}
    </Link>
  );
}

function Found({ page: { adapters, counts, next, alike, warm } }: { page: Page }) {
  const [params] = useSearchParams();
  if (adapters.length === 0) return <Nothing />;
  const onward = new URLSearchParams(params);
  if (next) onward.set('cursor', next);
  const first = new URLSearchParams(params);
  first.delete('cursor');
  return (
    <>
      <p role="status" className="text-sm text-quiet">
        {alike && 'Nothing holds these words. These have a similar name. '}
        {counts &&
          `${counts.exact ? '' : 'more than '}${counts.total.toLocaleString('en')} ${counts.total === 1 ? 'adapter' : 'adapters'}`}
      </p>
      <AdapterCards adapters={adapters} warm={warm} />
      <nav aria-label="Pages" className="flex gap-3">
        {params.has('cursor') && (
          <Link className="button" to={`/?${first}`}>
            First page
          </Link>
        )}
        {next && (
          <Link className="button" to={`/?${onward}`}>
            Next page
          </Link>
        )}
      </nav>
    </>
  );
}

function Nothing() {
  const [params] = useSearchParams();
  const isAll = ![...params].some(([name]) => ASKED.includes(name) && name !== 'sort');
  return (
    <div className="empty" role="status">
      <Mark className="size-8 opacity-60" />
      <p className="font-semibold text-ink">
        {isAll ? 'The catalog is empty: be the first.' : 'No adapter matches all of this.'}
      </p>
      <p className="flex flex-wrap justify-center gap-3">
        {!isAll && (
          <Link className="button" to="/">
            Take everything back
          </Link>
        )}
        <Link className="button" to="/train">
          Train one
        </Link>
        <Link className="button" to="/publish">
          Publish one
        </Link>
      </p>
    </div>
  );
}
