/** What a column asks: a base, or adapters of it with their weights. */
import { useId } from 'react';
import { MAX_TERMS, type Term } from '../../../adapter/reference.ts';
import type { Schemas } from '../../api.ts';
import { modelOf, termsOf } from './setup.ts';

const WEIGHT_STEP = 0.05;
const MAX_SHOWN_WEIGHT = 2;

export function ModelPicker({
  model,
  bases,
  adapters,
  change,
}: {
  model: string;
  bases: readonly string[];
  adapters: readonly Schemas['Adapter'][];
  change: (model: string) => void;
}) {
  const list = useId();
  const terms = termsOf(model, bases);
  const idOf = ({ owner, name }: Term) => `${owner}/${name}`;
  const base =
    adapters.find(({ id }) => terms[0] && id === idOf(terms[0]))?.base ??
    (bases.includes(model) ? model : bases[0]!);
  const ofBase = adapters.filter((one) => one.base === base && !terms.some((term) => idOf(term) === one.id));
  const put = (next: readonly Term[]) => change(modelOf(next, base));
  const add = (id: string) => {
    const [owner, name] = id.split('/');
    if (owner && name) put([...terms, { owner, name, weight: 1 }]);
  };
  return (
    <div className="flex flex-col gap-2 text-sm">
      <select aria-label="Base" value={base} onChange={(event) => change(event.target.value)}>
        {bases.map((id) => (
          <option key={id}>{id}</option>
        ))}
      </select>
      {terms.map((term, i) => (
        <div key={idOf(term)} className="flex items-center gap-2">
          <span className="min-w-0 flex-1 truncate" title={idOf(term)}>
            {idOf(term)}
            {term.version !== undefined && `@${term.version}`}
            {term.checkpoint && ', a checkpoint'}
          </span>
          <input
            type="range"
            aria-label={`Weight of ${idOf(term)}`}
            min={0}
            max={MAX_SHOWN_WEIGHT}
            step={WEIGHT_STEP}
            value={term.weight}
            className="w-20 accent-accent"
            onChange={(event) =>
              put(terms.map((one, j) => (i === j ? { ...one, weight: Number(event.target.value) } : one)))
            }
          />
          <output className="w-8 tabular-nums">{term.weight.toFixed(2)}</output>
          <button
            type="button"
            className="cursor-pointer px-1 text-quiet hover:text-ink"
            aria-label={`Leave out ${idOf(term)}`}
            onClick={() => put(terms.filter((_, j) => i !== j))}
          >
            ×
          </button>
        </div>
      ))}
      {terms.length < MAX_TERMS && ofBase.length > 0 && (
        <select aria-label="Add an adapter" id={list} value="" onChange={(event) => add(event.target.value)}>
          <option value="">Add an adapter…</option>
          {ofBase.map(({ id, title }) => (
            <option key={id} value={id}>
              {title} ({id})
            </option>
          ))}
        </select>
      )}
    </div>
  );
}
