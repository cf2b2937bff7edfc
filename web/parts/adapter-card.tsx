/** An adapter in a list: what job it does, on what, and how well. */
import { Link } from 'react-router';
import type { Schemas } from '../api.ts';
import { bytes, count, date } from './format.ts';
import { Comparison, type Scale, scaleOf } from './gain.tsx';

type Adapter = Schemas['Adapter'];

/** @param warm bases that are loaded */
export function AdapterCards({ adapters, warm }: { adapters: readonly Adapter[]; warm: readonly string[] }) {
  const scale = scaleOf(adapters);
  return (
    <ul className="grid grid-cols-1 gap-3 xl:grid-cols-2">
      {adapters.map((adapter) => (
        <li key={adapter.id} className="flex *:min-w-0 *:flex-1">
          <AdapterCard adapter={adapter} warm={warm.includes(adapter.base)} scale={scale} />
        </li>
      ))}
    </ul>
  );
}

function AdapterCard({ adapter, warm, scale }: { adapter: Adapter; warm: boolean; scale: Scale }) {
  const { id, title, summary, base, task, rank, size, downloads, likes, updatedAt, gate, visibility } =
    adapter;
  return (
    <article className="panel relative flex flex-col gap-3 p-4 hover:border-accent">
      <header className="flex items-start justify-between gap-3">
        <h2 className="min-w-0 text-base leading-snug">
          <Link to={`/adapters/${id}`} className="break-words after:absolute after:inset-0 after:rounded-lg">
            {title}
          </Link>
          <span className="block text-sm font-normal break-all text-quiet">{id}</span>
        </h2>
        <span className="flex shrink-0 flex-wrap justify-end gap-1">
          {visibility === 'private' && <span className="chip">private</span>}
          {gate && <span className="chip">gated</span>}
          <Warmth warm={warm} />
        </span>
      </header>
      {summary && <p className="line-clamp-2 text-sm break-words">{summary}</p>}
      <div className="mt-auto">
        <Comparison {...adapter} scale={scale} />
      </div>
      <footer className="flex flex-wrap items-center gap-x-3 gap-y-1 border-t border-line pt-2 text-xs text-quiet">
        {task && <span className="chip truncate text-ink">{task}</span>}
        <span className="min-w-0 truncate">{base}</span>
        <span className="whitespace-nowrap">
          rank {rank} · {bytes(size)}
        </span>
        <span className="ml-auto flex items-center gap-3 whitespace-nowrap">
          <Figure icon="M8 2v8M4.5 7 8 10.5 11.5 7M3 13.5h10" what="downloads" value={downloads} />
          <Figure
            icon="M8 13.5C3 10 2 7.5 2 5.8A3.1 3.1 0 0 1 8 4.6a3.1 3.1 0 0 1 6 1.2c0 1.7-1 4.2-6 7.7z"
            what="likes"
            value={likes}
          />
          <time dateTime={updatedAt}>{date(updatedAt)}</time>
        </span>
      </footer>
    </article>
  );
}

function Figure({ icon, what, value }: { icon: string; what: string; value: number }) {
  return (
    <span className="inline-flex items-center gap-1 tabular-nums" title={what}>
      <svg viewBox="0 0 16 16" aria-hidden className="size-3.5 fill-none stroke-current" strokeWidth="1.5">
        <path d={icon} strokeLinecap="round" strokeLinejoin="round" />
      </svg>
      {count(value)}
      <span className="sr-only"> {what}</span>
    </span>
  );
}

/** Whether it answers at once. */
export function Warmth({ warm }: { warm: boolean }) {
  return (
    <span
      className={`chip whitespace-nowrap ${warm ? 'border-good/40 text-good' : ''}`}
      title={warm ? 'Its base is loaded: it answers at once' : 'Its base is loaded at the first request'}
    >
      <span aria-hidden className={`size-1.5 rounded-full ${warm ? 'bg-good' : 'border border-quiet'}`} />
      {warm ? 'warm' : 'cold'}
    </span>
  );
}
