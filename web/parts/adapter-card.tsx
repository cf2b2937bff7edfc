/** An adapter in a list: what job it does, on what, and how well. */
import { Link } from 'react-router';
import type { Schemas } from '../api.ts';
import { bytes, count, date } from './format.ts';
import { Gain } from './gain.tsx';

export function AdapterCard({ adapter, warm }: { adapter: Schemas['Adapter']; warm: boolean }) {
  const { id, title, summary, base, task, rank, size, downloads, likes, updatedAt, gate, visibility } =
    adapter;
  return (
    <article className="panel relative flex flex-col gap-2 p-4 hover:border-quiet">
      <div className="flex items-start justify-between gap-3">
        <h2 className="min-w-0 text-base leading-snug">
          <Link to={`/adapters/${id}`} className="break-words after:absolute after:inset-0 hover:underline">
            {title}
          </Link>
          <span className="block text-sm font-normal break-all text-quiet">{id}</span>
        </h2>
        <span className="flex flex-wrap justify-end gap-1">
          {visibility === 'private' && <span className="chip">private</span>}
          {gate && <span className="chip">gated</span>}
          <Warmth warm={warm} />
        </span>
      </div>
      <p className="line-clamp-2 text-sm break-words">{summary}</p>
      <p className="text-sm">
        <Gain {...adapter} />
      </p>
      <p className="mt-auto flex flex-wrap gap-1 pt-1">
        {task && <span className="chip">{task}</span>}
        <span className="chip">{base}</span>
        <span className="chip">rank {rank}</span>
        <span className="chip">{bytes(size)}</span>
        <span className="ml-auto text-xs text-quiet">
          {count(downloads)} downloads · {count(likes)} likes · {date(updatedAt)}
        </span>
      </p>
    </article>
  );
}

/** Whether it answers at once. */
export function Warmth({ warm }: { warm: boolean }) {
  return (
    <span
      className={`chip ${warm ? 'border-good text-good' : ''}`}
      title={warm ? 'Its base is loaded: it answers at once' : 'Its base is loaded at the first request'}
    >
      <span aria-hidden className={`size-1.5 rounded-full ${warm ? 'bg-good' : 'bg-quiet'}`} />
      {warm ? 'warm' : 'cold'}
    </span>
  );
}
