/** One prompt, answered by an adapter and by its base. */
import { type FormEvent, useEffect, useRef, useState } from 'react';
import { Link } from 'react-router';
import { openai } from '../openai.ts';
import { Failure } from './action.tsx';
import { Submit } from './submit.tsx';

interface Answer {
  /** What has come of it, whatever went wrong then. */
  readonly text: string;
  readonly state: 'running' | 'done' | 'failed';
  readonly failure?: unknown;
}

export default function TryIt({ reference, base }: { reference: string; base: string }) {
  const [answers, setAnswers] = useState<Readonly<Record<string, Answer>>>({});
  const running = useRef<AbortController>(undefined);
  useEffect(() => () => running.current?.abort(), []);

  const ask = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    running.current?.abort();
    const { signal } = (running.current = new AbortController());
    const prompt = String(new FormData(event.currentTarget).get('prompt'));
    setAnswers({ [reference]: { text: '', state: 'running' }, [base]: { text: '', state: 'running' } });
    for (const model of [reference, base]) void answer(model, prompt, signal);
  };

  const answer = async (model: string, prompt: string, signal: AbortSignal) => {
    const change = (next: (before: Answer) => Answer) =>
      !signal.aborted && setAnswers((all) => ({ ...all, [model]: next(all[model]!) }));
    try {
      const messages = [{ role: 'user' as const, content: prompt }];
      const asked = { model, messages, stream: true as const, temperature: 0, max_completion_tokens: 200 };
      const stream = await openai().chat.completions.create(asked, { signal });
      for await (const chunk of stream) {
        const more = chunk.choices[0]?.delta.content ?? '';
        change(({ text, state }) => ({ text: text + more, state }));
      }
      change(({ text }) => ({ text, state: 'done' }));
    } catch (error) {
      change(({ text }) => ({ text, state: 'failed', failure: error }));
    }
  };

  return (
    <section aria-label="Try it" className="panel flex flex-col gap-3 p-4">
      <form onSubmit={ask} className="flex flex-wrap gap-2">
        <input
          name="prompt"
          required
          maxLength={4000}
          aria-label="Prompt"
          placeholder="Ask it something"
          className="min-w-0 flex-1 basis-60"
          autoComplete="off"
        />
        <Submit className="button button-primary">Ask</Submit>
        <Link
          className="button"
          to={`/playground?model=${encodeURIComponent(base)}&model=${encodeURIComponent(reference)}`}
        >
          Playground
        </Link>
      </form>
      {Object.keys(answers).length > 0 && (
        <div className="grid grid-cols-1 gap-3 sm:grid-cols-2" aria-live="polite">
          {Object.entries(answers).map(([model, { text, state, failure }]) => (
            <figure key={model} className="rounded-md bg-sunken p-3">
              <figcaption className="mb-1 text-xs text-quiet">{model}</figcaption>
              <p className="break-words whitespace-pre-wrap empty:hidden">
                {text || (state === 'done' && '(nothing)') || (state === 'running' && '…')}
              </p>
              <Failure of={failure} />
            </figure>
          ))}
        </div>
      )}
    </section>
  );
}
