/** Publish a folder that PEFT saved: checked here first, sent, and verified before it is listed. */
import { type FormEvent, useEffect, useState } from 'react';
import { Link } from 'react-router';
import { ownerName } from '../../adapter/reference.ts';
import { dataOf, Problem, type Schemas } from '../api.ts';
import { patiently, said } from '../failure.ts';
import { useLoaded } from '../loaded.ts';
import { DropZone } from '../parts/drop-zone.tsx';
import { Field } from '../parts/field.tsx';
import { bytes } from '../parts/format.ts';
import { checkFit, type Folder, filesFor, readFolder } from '../parts/publish/check.ts';
import {
  AnswerLost,
  type Doing,
  forget,
  interrupted,
  publish,
  type Target,
} from '../parts/publish/upload.ts';
import { Submit } from '../parts/submit.tsx';
import { isOfPublicName, PublicAlready, refusePublic, VisibilityField } from '../parts/visibility.tsx';
import { type Asked, browserApi } from '../routes.tsx';

const ASK_AGAIN_MS = 1_000;

export const personal = true;

export const loader = async ({ api, viewer }: Asked) => {
  const { bases } = await dataOf(api.GET('/api/bases'));
  const own = viewer!.organisations.filter(({ role }) => role !== 'read').map(({ name }) => name);
  return { bases: bases.map(({ id }) => id), account: viewer!.name, owners: [viewer!.name, ...own] };
};

type Outcome =
  | { readonly state: 'public'; readonly id: string }
  | { readonly state: 'failed'; readonly reasons: readonly string[] }
  /** Sent, and whether it was taken is not known. */
  | { readonly state: 'lost'; readonly id: string; readonly reasons: readonly string[] }
  /** Sent, and then nothing more could be heard of it. */
  | { readonly state: 'sent'; readonly version: Schemas['Version']; readonly reasons: readonly string[] }
  | {
      readonly state: 'refused' | 'passed';
      readonly version: Schemas['Version'];
      readonly reasons: readonly string[];
    };

export function Component() {
  const { bases, account, owners } = useLoaded<typeof loader>();
  const [folder, setFolder] = useState<Folder>();
  const [doing, setDoing] = useState<Doing>();
  const [outcome, setOutcome] = useState<Outcome>();

  const start = async (target: Target) => {
    setOutcome(undefined);
    const { owner, name, visibility } = target;
    try {
      if (visibility) await refusePublic(owner, name);
      const files = await filesFor(folder!.files, target.base);
      const version = await publish(browserApi(), account, target, files, setDoing);
      setOutcome(await decided(version, target, setDoing));
    } catch (error) {
      setOutcome(outcomeOf(error, `${owner}/${name}`));
    }
    setDoing(undefined);
  };
  const take = async (files: File[]) => {
    setOutcome(undefined);
    setFolder(await readFolder(files));
  };
  return (
    <div className="mx-auto flex max-w-3xl flex-col gap-6">
      <title>Publish · Patchbay</title>
      <header>
        <h1>Publish an adapter</h1>
        <p className="text-quiet">
          A folder that PEFT’s <code>save_pretrained</code> wrote. Names and shapes are checked here before a
          byte is sent; then it runs beside its base, and is listed once it passed.
        </p>
      </header>
      <Interrupted account={account} />
      <DropZone
        label="Drop the folder here, or choose its files"
        hint="adapter_config.json and adapter_model.safetensors; README.md is its card, eval.jsonl the rows it is compared with its base on"
        folder
        take={take}
      />
      {folder && <Contents folder={folder} />}
      {folder && folder.problems.length === 0 && (
        <TargetForm
          key={folder.base ?? ''}
          folder={folder}
          bases={bases}
          owners={owners}
          busy={doing !== undefined}
          start={start}
        />
      )}
      {doing && <Progress {...doing} />}
      {outcome && <Result outcome={outcome} />}
    </div>
  );
}

function outcomeOf(error: unknown, id: string): Outcome {
  if (isOfPublicName(error)) return { state: 'public', id };
  const reasons = reasonsOf(error);
  return error instanceof AnswerLost ? { state: 'lost', id, reasons } : { state: 'failed', reasons };
}

/** Waits for the publish gate, however long it takes, and through whatever passes by itself. */
async function decided(
  version: Schemas['Version'],
  { owner, name }: Target,
  tell: (doing: Doing) => void,
): Promise<Outcome> {
  const api = browserApi();
  const params = { path: { owner, name, number: version.number } };
  const verifying = { what: 'verifying', done: 0, of: 0 } as const;
  const answered = <T,>(ask: () => Promise<T>) =>
    patiently(ask, (trouble) => tell({ ...verifying, trouble }));
  try {
    for (let so = version; ; ) {
      if (so.status === 'passed') return { state: 'passed', version: so, reasons: [] };
      if (so.status !== 'pending') {
        const { verifications } = await answered(() =>
          dataOf(api.GET('/api/adapters/{owner}/{name}/versions/{number}/verifications', { params })),
        );
        const reasons = verifications[0]?.problems.map(({ detail }) => detail) ?? [];
        return { state: 'refused', version: so, reasons };
      }
      await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS));
      so = await answered(() =>
        dataOf(api.GET('/api/adapters/{owner}/{name}/versions/{number}', { params })),
      );
      tell(verifying);
    }
  } catch (error) {
    return { state: 'sent', version, reasons: reasonsOf(error) };
  }
}

function reasonsOf(error: unknown): string[] {
  if (error instanceof Problem && error.problems.length > 0)
    return error.problems.map(({ detail }) => detail);
  return [said(error)];
}

function Interrupted({ account }: { account: string }) {
  const [target, setTarget] = useState<Target>();
  useEffect(() => setTarget(interrupted(account)), [account]); // the server cannot know
  if (!target) return null;
  return (
    <p role="status" className="panel flex flex-wrap items-center gap-3 p-3">
      <span className="flex-1">
        The upload of{' '}
        <strong>
          {target.owner}/{target.name}
        </strong>{' '}
        was interrupted. Choose the same folder, and it goes on.
      </span>
      <button
        type="button"
        className="button"
        onClick={() => {
          forget(account);
          setTarget(undefined);
        }}
      >
        Forget it
      </button>
    </p>
  );
}

function Contents({ folder: { files, leftOut, problems } }: { folder: Folder }) {
  return (
    <section aria-label="What is in the folder">
      <ul className="flex flex-wrap gap-2 text-sm">
        {[...files.values()].map(({ name, size }) => (
          <li key={name} className="chip">
            {name} · {bytes(size)}
          </li>
        ))}
      </ul>
      {leftOut.length > 0 && (
        <p className="mt-2 text-sm text-quiet">Not taken: {leftOut.slice(0, 10).join(', ')}</p>
      )}
      <Reasons reasons={problems} />
    </section>
  );
}

function Reasons({ reasons }: { reasons: readonly string[] }) {
  if (reasons.length === 0) return null;
  return (
    <ul role="alert" className="mt-2 list-disc pl-6 text-bad">
      {reasons.map((reason) => (
        <li key={reason} className="break-words">
          {reason}
        </li>
      ))}
    </ul>
  );
}

function TargetForm({
  folder,
  bases,
  owners,
  busy,
  start,
}: {
  folder: Folder;
  bases: readonly string[];
  owners: readonly string[];
  busy: boolean;
  start: (target: Target) => void;
}) {
  const [base, setBase] = useState(folder.base && bases.includes(folder.base) ? folder.base : bases[0]!);
  const [fit, setFit] = useState<readonly string[]>();
  useEffect(() => {
    let current = true;
    setFit(undefined);
    const [owner, name] = base.split('/') as [string, string];
    void dataOf(browserApi().GET('/api/bases/{owner}/{name}', { params: { path: { owner, name } } }))
      .then(async ({ id, config }) => checkFit(await filesFor(folder.files, id), { id, config }))
      .catch((error: Error) => [error.message])
      .then((reasons) => current && setFit(reasons));
    return () => {
      current = false;
    };
  }, [folder, base]);
  const [wrong, setWrong] = useState<string>();
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const given = Object.fromEntries(new FormData(event.currentTarget)) as Record<string, string>;
    const { owner, name, visibility } = given;
    const checked = ownerName.safeParse(name);
    setWrong(checked.success ? undefined : checked.error.issues[0]!.message);
    const hidden = visibility === 'private' ? { visibility: 'private' as const } : {};
    if (checked.success) start({ owner: owner!, name: name!, base, ...hidden });
  };
  return (
    <form onSubmit={submit} className="panel flex flex-col gap-4 p-4">
      <div className="flex flex-wrap gap-4">
        <Field
          label="Base"
          className="min-w-48 flex-1"
          hint={
            folder.base && folder.base !== base
              ? `The configuration names ${folder.base}: what is published names ${base}`
              : undefined
          }
        >
          <select value={base} onChange={(event) => setBase(event.target.value)}>
            {bases.map((id) => (
              <option key={id}>{id}</option>
            ))}
          </select>
        </Field>
        <Field label="Under" className="min-w-32 flex-1">
          <select name="owner">
            {owners.map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </Field>
        <Field label="Name" className="min-w-48 flex-1" hint={wrong && `It ${wrong}.`}>
          <input name="name" required maxLength={64} aria-invalid={wrong !== undefined} />
        </Field>
        <VisibilityField className="min-w-48 flex-1" hint="Of a new one; it can be changed later" />
      </div>
      {fit === undefined && <p className="text-quiet">Checking names and shapes…</p>}
      {fit?.length === 0 && <p className="text-good">Its names and shapes fit {base}.</p>}
      {fit && <Reasons reasons={fit} />}
      <Submit className="button button-primary self-start" disabled={busy || fit?.length !== 0}>
        Publish
      </Submit>
    </form>
  );
}

const DOING = {
  reading: 'Reading',
  uploading: 'Uploading',
  verifying: 'Being verified: it runs beside its base',
} as const;

function Progress({ what, done, of, trouble }: Doing) {
  return (
    <div role="status" className="flex flex-col gap-1">
      <span>
        {DOING[what]}
        {of > 0 && `: ${bytes(done)} of ${bytes(of)}`}
      </span>
      {trouble !== undefined && <span className="text-warn">{said(trouble)} It is being tried again.</span>}
      <progress max={1} aria-label={DOING[what]} {...(of > 0 ? { value: done / of } : {})} />
    </div>
  );
}

const SAID = {
  passed: 'is listed',
  refused: 'was refused by the publish gate',
  sent: 'was sent, and is being verified',
} as const;

function Result({ outcome }: { outcome: Outcome }) {
  if (outcome.state === 'public') return <PublicAlready id={outcome.id} />;
  if (outcome.state === 'lost')
    return (
      <section className="panel flex flex-col gap-2 border-warn p-4">
        <h2>It was sent, but the answer was lost</h2>
        <p>
          It may be there already: <strong className="break-all">{outcome.id}</strong> shows it among its
          versions. Look before you publish it again.
        </p>
        <Reasons reasons={outcome.reasons} />
        <Link className="button self-start" to={`/adapters/${outcome.id}/versions`}>
          Look
        </Link>
      </section>
    );
  if (outcome.state === 'failed')
    return (
      <section>
        <h2>It was not published</h2>
        <Reasons reasons={outcome.reasons} />
      </section>
    );
  const { version, state, reasons } = outcome;
  const id = version.reference.split('@')[0];
  return (
    <section role="status" className="panel flex flex-col gap-2 p-4">
      <h2>
        {version.reference} {SAID[state]}
      </h2>
      <Reasons reasons={reasons} />
      <p className="flex gap-3">
        <Link className="button" to={`/adapters/${id}?version=${version.number}`}>
          Its page
        </Link>
        {state === 'passed' && (
          <Link
            className="button"
            to={`/playground?model=${encodeURIComponent(version.base)}&model=${encodeURIComponent(id!)}`}
          >
            Beside its base
          </Link>
        )}
      </p>
    </section>
  );
}
