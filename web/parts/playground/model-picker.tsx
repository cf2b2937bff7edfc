/** What a column asks: a base, or adapters of it with their weights. */
import { type ChangeEvent, useEffect, useId, useRef, useState } from 'react';
import { MAX_TERMS, type Term } from '../../../adapter/reference.ts';
import { Failure } from '../action.tsx';
import { modelOf, termsOf } from './setup.ts';

const WEIGHT_STEP = 0.05;
const MAX_SHOWN_WEIGHT = 2;
/** Between the last key and the search. */
const TYPING_MS = 150;

/** What is known of an adapter that can be chosen. */
export interface Choice {
  readonly id: string;
  readonly title: string;
  readonly base: string;
}

export const idOf = ({ owner, name }: Term): string => `${owner}/${name}`;

export function ModelPicker({
  model,
  bases,
  adapters,
  find,
  change,
}: {
  model: string;
  bases: readonly string[];
  adapters: readonly Choice[];
  /** Adds what it finds to the adapters. */
  find: (base: string, words: string) => Promise<void>;
  change: (model: string) => void;
}) {
  const terms = termsOf(model, bases);
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
      {terms.length < MAX_TERMS && (
        <Search choices={ofBase} find={(words) => find(base, words)} choose={add} />
      )}
    </div>
  );
}

/** Suggests what is known, and looks for more while one types. */
function Search({
  choices,
  find,
  choose,
}: {
  choices: readonly Choice[];
  find: (words: string) => Promise<void>;
  choose: (id: string) => void;
}) {
  const list = useId();
  const [words, setWords] = useState('');
  const [failure, setFailure] = useState<unknown>();
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  // Chosen among what is suggested, or typed in full; then it may become known only after the search.
  useEffect(() => {
    if (!choices.some(({ id }) => id === words)) return;
    setWords('');
    choose(words);
  }, [choices, choose, words]);
  const typed = ({ target: { value } }: ChangeEvent<HTMLInputElement>) => {
    clearTimeout(timer.current);
    setFailure(undefined);
    setWords(value);
    if (value.trim()) timer.current = setTimeout(() => find(value.trim()).catch(setFailure), TYPING_MS);
  };
  return (
    <>
      <input
        type="search"
        list={list}
        aria-label="Add an adapter"
        placeholder="Add an adapter…"
        value={words}
        onChange={typed}
        maxLength={200}
        className="min-w-0"
        autoComplete="off"
      />
      <datalist id={list}>
        {choices.map(({ id, title }) => (
          <option key={id} value={id}>
            {title}
          </option>
        ))}
      </datalist>
      <Failure of={failure} />
    </>
  );
}
