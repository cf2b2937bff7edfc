/** An answer as it comes; on request, how probable each of its tokens was. Always shown as text, whatever it holds. */
import { useState } from 'react';
import { Failure } from '../action.tsx';
import { percent } from '../format.ts';
import type { Answer, Token } from './conversation.ts';

const LOOKS = ['bg-bad/40', 'bg-warn/30', 'bg-warn/15', ''] as const;
const BOUNDS = [0.1, 0.5, 0.9];

const NOTHING: Readonly<Partial<Record<Answer['state'], string>>> = {
  done: '(it said nothing)',
  unasked: '(not asked)',
};

export function AnswerView({ answer, probabilities }: { answer: Answer; probabilities: boolean }) {
  const { state, text, tokens, failure } = answer;
  return (
    <div className="flex flex-col gap-1">
      {probabilities && tokens.length > 0 ? (
        <Tokens tokens={tokens} />
      ) : (
        <p className="min-h-6 break-words whitespace-pre-wrap">
          {text ||
            (state === 'running' ? (
              <span className="animate-pulse">…</span>
            ) : (
              NOTHING[state] && <span className="text-quiet">{NOTHING[state]}</span>
            ))}
        </p>
      )}
      <Failure of={failure} />
      <Figures {...answer} />
    </div>
  );
}

/** The rate is over the whole answer, waiting for its first token included: what comes in one piece has no other. */
function Figures({ state, firstMs, totalMs, count }: Answer) {
  const facts = [
    firstMs !== undefined && `first token ${Math.round(firstMs)} ms`,
    totalMs !== undefined && count !== undefined && `${((count / totalMs) * 1000).toFixed(0)} tokens/s`,
    count !== undefined && `${count} tokens`,
    state === 'stopped' && 'stopped',
  ].filter(Boolean);
  if (facts.length === 0) return null;
  return <p className="text-xs text-quiet tabular-nums">{facts.join(' · ')}</p>;
}

function Tokens({ tokens }: { tokens: readonly Token[] }) {
  const [shown, setShown] = useState<Token>();
  return (
    <>
      <p className="break-words whitespace-pre-wrap">
        {tokens.map((token, i) => (
          <button
            // biome-ignore lint/suspicious/noArrayIndexKey: its place is what it is
            key={i}
            type="button"
            className={`inline cursor-help text-left whitespace-pre-wrap ${lookOf(token)} hover:outline`}
            onMouseEnter={() => setShown(token)}
            onFocus={() => setShown(token)}
          >
            {token.text}
          </button>
        ))}
      </p>
      <div className="panel min-h-24 p-2 text-xs" aria-live="polite">
        {shown ? <Alternatives {...shown} /> : 'Point at a token to see what else it could have been.'}
      </div>
    </>
  );
}

const lookOf = ({ logprob }: Token): string => {
  const p = Math.exp(logprob);
  return LOOKS[BOUNDS.filter((bound) => p >= bound).length]!;
};

function Alternatives({ text, logprob, top }: Token) {
  const all = top.some((one) => one.text === text) ? top : [{ text, logprob }, ...top];
  return (
    <table>
      <tbody>
        {all.map((one) => (
          <tr key={one.text} className={one.text === text ? 'font-semibold' : ''}>
            <td className="pr-3 font-mono">{JSON.stringify(one.text)}</td>
            <td className="text-right tabular-nums">{percent(Math.exp(one.logprob))}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
