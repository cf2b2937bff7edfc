/** Chat with a base, adapters and mixes, side by side on one prompt. */
import { type FormEvent, type KeyboardEvent, useState } from 'react';
import { Link, useLocation, useSearchParams } from 'react-router';
import { MAX_TERMS } from '../../adapter/reference.ts';
import { type Api, dataOf, Problem } from '../api.ts';
import { useViewer } from '../layout.tsx';
import { useLoaded } from '../loaded.ts';
import { CopyButton } from '../parts/copy-button.tsx';
import { Field } from '../parts/field.tsx';
import { AnswerView } from '../parts/playground/answer-view.tsx';
import { type Turn, useConversation } from '../parts/playground/conversation.ts';
import { type Choice, idOf, ModelPicker } from '../parts/playground/model-picker.tsx';
import {
  codeOf,
  MAX_COLUMNS,
  readSetup,
  type Setup,
  termsOf,
  writeSetup,
} from '../parts/playground/setup.ts';
import { Snippet } from '../parts/snippet.tsx';
import { Submit } from '../parts/submit.tsx';
import { type Asked, browserApi } from '../routes.tsx';

const MAX_CHOICE = 100;
const MAX_FOUND = 20;

/** What can be chosen at once: what is most used, one's own, and what the URL names; others are searched for. */
export const loader = async ({ api, url, viewer }: Asked) => {
  const list = (query: { sort?: 'downloads'; owner?: string }) =>
    dataOf(api.GET('/api/adapters', { params: { query: { limit: MAX_CHOICE, ...query } } }));
  const [{ bases }, used, own] = await Promise.all([
    dataOf(api.GET('/api/bases')),
    list({ sort: 'downloads' }),
    viewer ? list({ owner: viewer.name }) : { adapters: [] },
  ]);
  const ids = bases.map(({ id }) => id);
  const known = [...used.adapters, ...own.adapters];
  const named = url.searchParams.getAll('model').flatMap((model) => termsOf(model, ids).map(idOf));
  const missing = [...new Set(named)].filter((id) => !known.some((one) => one.id === id));
  const found = await Promise.all(missing.slice(0, MAX_COLUMNS * MAX_TERMS).map((id) => adapterOf(api, id)));
  return { bases: ids, adapters: [...known, ...found.flat()].map(choiceOf), origin: url.origin };
};

const choiceOf = ({ id, title, base }: Choice): Choice => ({ id, title, base });

/** A link can name what is gone, or is not for everybody: its column says so when it is asked. */
async function adapterOf(api: Api, id: string): Promise<Choice[]> {
  const [owner = '', name = ''] = id.split('/');
  try {
    return [await dataOf(api.GET('/api/adapters/{owner}/{name}', { params: { path: { owner, name } } }))];
  } catch (error) {
    if (error instanceof Problem && error.status === 404) return [];
    throw error;
  }
}

/** What is worth a first look: a base, and what is most used of it. */
function sideBySide(bases: readonly string[], adapters: readonly Choice[]): string[] {
  const [adapter] = adapters.filter(({ base }) => bases.includes(base));
  return adapter ? [adapter.base, adapter.id] : bases.slice(0, 1);
}

export function Component() {
  const { bases, adapters: listed, origin } = useLoaded<typeof loader>();
  const [found, setFound] = useState<readonly Choice[]>([]);
  const adapters = [...new Map([...listed, ...found].map((one) => [one.id, one])).values()];
  const [params] = useSearchParams();
  const [setup, setSetup] = useState(() => readSetup(params, sideBySide(bases, adapters)));
  const [probabilities, setProbabilities] = useState(false);
  const conversation = useConversation();
  const viewer = useViewer();
  const change = (next: Partial<Setup>) => setSetup((before) => ({ ...before, ...next }));
  const prompts =
    conversation.turns.length > 0 ? conversation.turns.map(({ prompt }) => prompt) : setup.prompts;
  const shared = `${origin}/playground?${writeSetup({ ...setup, prompts })}`;

  const remove = (column: number) => {
    change({ models: setup.models.filter((_, i) => i !== column) });
    conversation.removeColumn(column);
  };
  const add = () => {
    change({ models: [...setup.models, setup.models.at(-1)!] });
    conversation.addColumn();
  };
  return (
    <div className="flex flex-col gap-4">
      <title>Playground · Patchbay</title>
      <div className="flex flex-wrap items-center gap-3">
        <h1 className="flex-1">Playground</h1>
        <CopyButton text={shared} what="to this playground" label="Share link" />
        <label className="flex items-center gap-2 text-sm">
          <input
            type="checkbox"
            checked={probabilities}
            onChange={(e) => setProbabilities(e.target.checked)}
          />
          Token probabilities
        </label>
        <button
          type="button"
          className="button"
          onClick={conversation.clear}
          disabled={conversation.turns.length === 0}
        >
          New chat
        </button>
      </div>
      <Settings setup={setup} change={change} />
      <div className="flex gap-3 overflow-x-auto pb-2">
        {setup.models.map((model, column) => (
          <section
            // biome-ignore lint/suspicious/noArrayIndexKey: two columns may ask the same
            key={column}
            aria-label={`Column ${column + 1}: ${model}`}
            className="panel flex min-h-80 min-w-72 flex-1 flex-col"
          >
            <div className="flex items-start gap-2 rounded-t-lg border-b border-line bg-sunken/60 p-3">
              <div className="min-w-0 flex-1">
                <ModelPicker
                  model={model}
                  bases={bases}
                  adapters={adapters}
                  find={async (base, words) => {
                    const more = await search(base, words);
                    setFound((before) => [...before, ...more]);
                  }}
                  change={(next) =>
                    change({ models: setup.models.map((one, i) => (i === column ? next : one)) })
                  }
                />
              </div>
              {setup.models.length > 1 && (
                <button
                  type="button"
                  className="cursor-pointer px-1 text-quiet hover:text-ink"
                  aria-label={`Remove column ${column + 1}`}
                  onClick={() => remove(column)}
                >
                  ×
                </button>
              )}
            </div>
            <div
              role="log"
              aria-label={`Answers of column ${column + 1}`}
              className="flex flex-1 flex-col gap-4 p-3"
            >
              {conversation.turns.map((turn, i) => (
                <TurnView
                  // biome-ignore lint/suspicious/noArrayIndexKey: its place is what it is
                  key={i}
                  turn={turn}
                  isLast={i === conversation.turns.length - 1}
                  column={column}
                  probabilities={probabilities}
                  edit={(prompt) => conversation.ask(setup, prompt, i)}
                  again={() => conversation.again(setup, i, column)}
                  stop={() => conversation.stop(column)}
                />
              ))}
              {conversation.turns.length === 0 && (
                <p className="m-auto text-sm text-quiet">Its answers come here.</p>
              )}
            </div>
          </section>
        ))}
        {setup.models.length < MAX_COLUMNS && (
          <button
            type="button"
            className="button min-w-12 self-stretch"
            onClick={add}
            aria-label="Add a column"
          >
            +
          </button>
        )}
      </div>
      {viewer ? (
        <Prompt
          first={conversation.turns.length === 0 ? setup.prompts[0] : undefined}
          isRunning={conversation.isRunning}
          ask={(prompt) => conversation.ask(setup, prompt)}
          stop={() => conversation.stop()}
        />
      ) : (
        <SignInFirst />
      )}
      <details>
        <summary className="cursor-pointer font-medium">As code</summary>
        <div className="grid gap-3 pt-3 xl:grid-cols-2">
          {[...new Set(setup.models)].map((model) => (
            <Snippet key={model} title={model} code={codeOf({ ...setup, prompts }, model, origin)} />
          ))}
        </div>
      </details>
    </div>
  );
}

async function search(base: string, q: string): Promise<Choice[]> {
  const query = { base, q, limit: MAX_FOUND };
  const { adapters } = await dataOf(browserApi().GET('/api/adapters', { params: { query } }));
  return adapters.map(choiceOf);
}

function SignInFirst() {
  const { pathname, search } = useLocation();
  return (
    <p className="panel flex flex-wrap items-center gap-3 p-4">
      <span className="flex-1">Answers cost somebody’s machine time: sign in to ask.</span>
      <Link className="button button-primary" to={`/sign-in?to=${encodeURIComponent(pathname + search)}`}>
        Sign in
      </Link>
    </p>
  );
}

function Settings({ setup, change }: { setup: Setup; change: (next: Partial<Setup>) => void }) {
  const number = (
    name: 'temperature' | 'topP' | 'maxTokens',
    label: string,
    low: number,
    high: number,
    step: number,
  ) => (
    <Field label={label} className="w-28">
      <input
        type="number"
        min={low}
        max={high}
        step={step}
        value={setup[name]}
        onChange={(event) => event.target.value !== '' && change({ [name]: Number(event.target.value) })}
      />
    </Field>
  );
  return (
    <details className="panel p-3">
      <summary className="cursor-pointer font-medium">
        Settings{' '}
        <span className="font-normal text-quiet">
          temperature {setup.temperature}, up to {setup.maxTokens} tokens
        </span>
      </summary>
      <div className="flex flex-wrap gap-3 pt-3">
        {number('temperature', 'Temperature', 0, 2, 0.1)}
        {number('topP', 'Top p', 0.01, 1, 0.01)}
        {number('maxTokens', 'Most tokens', 1, 4096, 1)}
        <Field label="Seed" hint="Empty: another each time" className="w-36">
          <input
            inputMode="numeric"
            pattern="[0-9]*"
            maxLength={9}
            value={setup.seed ?? ''}
            onChange={(event) =>
              /^\d*$/.test(event.target.value) &&
              change({ seed: event.target.value === '' ? undefined : Number(event.target.value) })
            }
          />
        </Field>
        <Field label="System message" className="min-w-60 flex-1">
          <input
            value={setup.system}
            maxLength={4000}
            onChange={(event) => change({ system: event.target.value })}
          />
        </Field>
      </div>
    </details>
  );
}

function TurnView({
  turn: { prompt, answers },
  isLast,
  column,
  probabilities,
  edit,
  again,
  stop,
}: {
  turn: Turn;
  isLast: boolean;
  column: number;
  probabilities: boolean;
  edit: (prompt: string) => void;
  again: () => void;
  stop: () => void;
}) {
  const [editing, setEditing] = useState(false);
  const answer = answers[column];
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    setEditing(false);
    edit(String(new FormData(event.currentTarget).get('prompt')));
  };
  return (
    <article className="flex flex-col gap-2">
      {editing ? (
        <form onSubmit={submit} className="flex flex-col gap-2">
          <textarea name="prompt" aria-label="Edited question" defaultValue={prompt} required rows={3} />
          <span className="flex gap-2">
            <Submit className="button button-primary">Ask this instead</Submit>
            <button type="button" className="button" onClick={() => setEditing(false)}>
              Cancel
            </button>
          </span>
        </form>
      ) : (
        <p className="max-w-[90%] self-end rounded-lg rounded-br-sm bg-sunken px-3 py-1.5 break-words whitespace-pre-wrap">
          {prompt}
        </p>
      )}
      {answer && <AnswerView answer={answer} probabilities={probabilities} />}
      <p className="flex gap-3 text-xs">
        {answer?.state === 'running' ? (
          <button type="button" className="link cursor-pointer" onClick={stop}>
            Stop
          </button>
        ) : (
          <>
            <button type="button" className="link cursor-pointer" onClick={() => setEditing(true)}>
              Edit
            </button>
            {(answer?.state !== 'unasked' || isLast) && (
              <button type="button" className="link cursor-pointer" onClick={again}>
                {answer?.state === 'unasked' ? 'Ask it too' : 'Regenerate'}
              </button>
            )}
          </>
        )}
      </p>
    </article>
  );
}

function Prompt({
  first,
  isRunning,
  ask,
  stop,
}: {
  first: string | undefined;
  isRunning: boolean;
  ask: (prompt: string) => void;
  stop: () => void;
}) {
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const prompt = String(new FormData(event.currentTarget).get('prompt')).trim();
    if (!prompt) return;
    event.currentTarget.reset();
    ask(prompt);
  };
  const sendOnEnter = (event: KeyboardEvent<HTMLTextAreaElement>) => {
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    event.currentTarget.form?.requestSubmit();
  };
  return (
    <form
      onSubmit={submit}
      className="sticky bottom-0 flex items-end gap-2 border-t border-line bg-paper py-3"
    >
      <textarea
        name="prompt"
        aria-label="Prompt"
        placeholder="Ask all columns. Enter sends, Shift+Enter makes a new line."
        defaultValue={first}
        rows={2}
        maxLength={32_000}
        onKeyDown={sendOnEnter}
        className="min-w-0 flex-1 resize-y"
      />
      {isRunning ? (
        <button type="button" className="button" onClick={stop}>
          Stop
        </button>
      ) : (
        <Submit className="button button-primary">Ask</Submit>
      )}
    </form>
  );
}
