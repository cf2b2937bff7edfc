/** What this place is, for whoever comes for the first time: three things to do, and what an adapter does to its base. */
import { Link } from 'react-router';
import type { Schemas } from '../api.ts';
import { percent } from './format.ts';
import { Change } from './gain.tsx';

const SHOWN = 5;

const STEPS = [
  ['/playground', 'Try', 'Ask an adapter and its base the same thing, side by side.'],
  ['/train', 'Train', 'Rows in, a curve to watch, an adapter out. The weights are yours.'],
  ['/publish', 'Publish', 'Drop a folder that PEFT saved. It is listed once it has passed.'],
] as const;

export function Hero({ adapters }: { adapters: readonly Schemas['Adapter'][] }) {
  const measured = adapters.filter(({ evaluation }) => evaluation).slice(0, SHOWN);
  return (
    <section className="mb-8 grid grid-cols-1 gap-x-12 gap-y-8 border-b border-line pb-8 lg:grid-cols-[minmax(0,1fr)_26rem]">
      <div className="flex flex-col gap-6 self-center">
        <h1 className="text-display max-sm:text-[2rem]">
          Adapters that were verified before they were listed
        </h1>
        <p className="max-w-prose text-lg text-quiet">
          Small LoRA adapters for one frozen base. Each one ran on it and was measured beside it; each answers
          through OpenAI’s API, and its weights can be taken away.
        </p>
        <ul className="grid gap-4 sm:grid-cols-3">
          {STEPS.map(([to, what, how]) => (
            <li key={to} className="border-l-2 border-accent pl-3">
              <Link to={to} className="font-semibold hover:underline">
                {what} <span aria-hidden>→</span>
              </Link>
              <p className="text-sm text-quiet">{how}</p>
            </li>
          ))}
        </ul>
      </div>
      {measured.length > 0 && <Rack adapters={measured} />}
    </section>
  );
}

function Rack({ adapters }: { adapters: readonly Schemas['Adapter'][] }) {
  return (
    <figure className="panel self-center p-4 max-lg:hidden">
      <figcaption className="mb-3 flex items-baseline justify-between gap-3">
        <span className="eyebrow">Right answers, plugged in</span>
        <span className="flex gap-3 text-xs text-quiet">
          <Key look="border-2 border-plain">base</Key>
          <Key look="bg-accent">adapter</Key>
        </span>
      </figcaption>
      <ul className="flex flex-col gap-2.5 text-sm">
        {adapters.map(({ id, title, evaluation }) => (
          <li key={id} className="grid grid-cols-[8.5rem_minmax(3rem,1fr)_2.75rem] items-center gap-3">
            <Link to={`/adapters/${id}`} className="truncate hover:underline">
              {title}
            </Link>
            <Change from={evaluation!.accuracy.base} to={evaluation!.accuracy.adapter} />
            <span className="text-right font-semibold tabular-nums">
              {percent(evaluation!.accuracy.adapter)}
            </span>
          </li>
        ))}
      </ul>
    </figure>
  );
}

function Key({ look, children }: { look: string; children: string }) {
  return (
    <span className="inline-flex items-center gap-1.5">
      <span aria-hidden className={`size-2 rounded-full ${look}`} />
      {children}
    </span>
  );
}
