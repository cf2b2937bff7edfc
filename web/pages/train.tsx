/** Train an adapter: rows in, a job out. */
import { type FormEvent, useEffect, useRef, useState } from 'react';
import { Link, useNavigate, useSearchParams } from 'react-router';
import { dataOf } from '../api.ts';
import { useLoaded } from '../loaded.ts';
import { openai } from '../openai.ts';
import { Failure } from '../parts/action.tsx';
import { DropZone } from '../parts/drop-zone.tsx';
import { Field, NAME } from '../parts/field.tsx';
import { bytes, count } from '../parts/format.ts';
import { Submit } from '../parts/submit.tsx';
import { Advanced, hyperparametersOf, PRESETS, type Preset } from '../parts/train/advanced.tsx';
import { checkRows, type RowsReport } from '../parts/train/check-rows.ts';
import { Estimate } from '../parts/train/estimate.tsx';
import { isOfPublicName, PublicAlready, refusePublic, VisibilityField } from '../parts/visibility.tsx';
import type { Asked } from '../routes.tsx';
import { sendFile } from '../send-file.ts';

export const personal = true;

export const loader = async ({ api, viewer }: Asked) => {
  const query = { owner: viewer!.name, limit: 100 };
  const [{ bases }, { adapters }, { prices }] = await Promise.all([
    dataOf(api.GET('/api/bases')),
    dataOf(api.GET('/api/adapters', { params: { query } })),
    dataOf(api.GET('/api/prices')),
  ]);
  const own = adapters.map(({ id, base }) => ({ id, base }));
  const training = prices.filter(({ kind, since }) => kind === 'training' && Date.parse(since) <= Date.now());
  return { bases: bases.map(({ id }) => id), own, training, account: viewer!.name };
};

export function Component() {
  const { bases, own, training, account } = useLoaded<typeof loader>();
  const [params] = useSearchParams();
  const navigate = useNavigate();
  const [file, setFile] = useState<File>();
  const [report, setReport] = useState<RowsReport>();
  const [preset, setPreset] = useState<Preset>('standard');
  const form = useRef<HTMLFormElement>(null);
  const [chosen, setChosen] = useState({
    model: params.get('model') ?? bases[0],
    isPrivate: false,
    asked: {},
  });
  // What is given in the form, in whichever of its fields.
  const look = () => {
    if (!form.current) return;
    const given = new FormData(form.current);
    setChosen({
      model: String(given.get('model')),
      isPrivate: given.get('visibility') === 'private',
      asked: hyperparametersOf(given, preset),
    });
  };
  useEffect(look, [preset]);
  const base = own.find(({ id }) => id === chosen.model)?.base ?? chosen.model;
  const price = training.find((one) => one.base === base) ?? training.find((one) => one.base === null);
  const [sending, setSending] = useState(false);
  const [failure, setFailure] = useState<{ readonly of: unknown; readonly id: string }>();

  const take = async ([first]: File[]) => {
    if (!first) return;
    setFile(first);
    setReport(undefined);
    setReport(await checkRows(first));
  };
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const text = (name: string) => String(form.get(name) ?? '').trim();
    const isPrivate = text('visibility') === 'private';
    setSending(true);
    setFailure(undefined);
    try {
      if (isPrivate && text('suffix')) await refusePublic(account, text('suffix'));
      const training_file = await sendFile(openai(), file!);
      const job = await openai().fineTuning.jobs.create({
        model: text('model'),
        training_file,
        ...(text('suffix') ? { suffix: text('suffix') } : {}),
        ...(isPrivate ? { visibility: 'private' } : {}), // more than OpenAI's client knows of
        ...(text('seed') ? { seed: Number(text('seed')) } : {}),
        // More than OpenAI's client knows of.
        method: {
          type: 'supervised',
          supervised: { hyperparameters: hyperparametersOf(form, preset) as object },
        },
      });
      await navigate(`/jobs/${job.id}`);
    } catch (error) {
      setFailure({ of: error, id: `${account}/${text('suffix')}` });
      setSending(false);
    }
  };
  const usable =
    report !== undefined && report.problemCount === 0 && report.rows > 0 && report.formats.length === 1;
  return (
    <div className="mx-auto flex max-w-3xl flex-col gap-6">
      <title>Train · Patchbay</title>
      <header className="flex flex-wrap items-start gap-3">
        <div className="flex-1">
          <h1>Train an adapter</h1>
          <p className="text-quiet">
            One example a line: <code>{'{"messages": […]}'}</code>, <code>{'{"prompt", "completion"}'}</code>{' '}
            or <code>{'{"text"}'}</code>.
          </p>
        </div>
        <Link className="button" to="/jobs">
          Your work
        </Link>
      </header>
      <DropZone
        label="Drop a JSONL file here, or choose one"
        hint="It is checked here before it is sent"
        accept=".jsonl,.json,.txt"
        take={take}
      />
      {file && <Report file={file} report={report} />}
      <form ref={form} onSubmit={submit} onChange={look} className="flex flex-col gap-4">
        <div className="flex flex-wrap gap-4">
          <Field label="Base" hint="Or an adapter of yours, to go on from" className="min-w-60 flex-1">
            <select name="model" defaultValue={params.get('model') ?? bases[0]}>
              {[...bases, ...own.map(({ id }) => id)].map((id) => (
                <option key={id}>{id}</option>
              ))}
            </select>
          </Field>
          <Field
            label="Name"
            hint="You publish it under it; if empty, one is made"
            className="min-w-60 flex-1"
          >
            <input name="suffix" {...NAME} placeholder="my-adapter" />
          </Field>
          <VisibilityField className="min-w-48 flex-1" hint="Of a new one; it can be changed later" />
        </div>
        <fieldset className="grid gap-3 sm:grid-cols-3">
          <legend className="mb-1 text-sm font-medium">How thoroughly</legend>
          {Object.entries(PRESETS).map(([name, { label, hint }]) => (
            <label
              key={name}
              className="panel flex cursor-pointer items-start gap-2 p-3 has-checked:border-accent"
            >
              <input
                type="radio"
                name="preset"
                className="mt-1.5"
                checked={preset === name}
                onChange={() => setPreset(name as Preset)}
              />
              <span>
                {label}
                <span className="block text-sm text-quiet">{hint}</span>
              </span>
            </label>
          ))}
        </fieldset>
        <Advanced />
        {usable && <Estimate report={report} asked={chosen.asked} perMillion={price?.perMillion} />}
        {failure && isOfPublicName(failure.of) ? (
          <PublicAlready id={failure.id} />
        ) : (
          <Failure of={failure?.of} />
        )}
        <div className="flex flex-wrap items-center gap-3">
          <Submit className="button button-primary" disabled={!usable || sending}>
            {sending ? 'Sending…' : 'Start training'}
          </Submit>
          <span className="text-sm text-quiet">
            {!usable && (report ? 'The file cannot be used as it is. ' : 'Choose a file first. ')}
            What it makes passes the publish gate, and is then listed under {account}
            {chosen.isPrivate ? ' for those who work on it alone.' : ' for everybody.'}
          </span>
        </div>
      </form>
    </div>
  );
}

function Report({ file, report }: { file: File; report: RowsReport | undefined }) {
  if (!report) return <p role="status">Reading {file.name}…</p>;
  const { rows, formats, tokens, duplicates, problems, problemCount } = report;
  const mixed = formats.length > 1;
  return (
    <section className="panel flex flex-col gap-2 p-4" role="status">
      <h2 className="text-base">
        {file.name} <span className="font-normal text-quiet">{bytes(file.size)}</span>
      </h2>
      <p>
        {rows.toLocaleString('en')} {rows === 1 ? 'row' : 'rows'}
        {formats.length === 1 && ` of ${formats[0]}`}, about {count(tokens)} tokens an epoch
        {duplicates > 0 && `, ${duplicates.toLocaleString('en')} of them duplicates`}.
      </p>
      {rows === 0 && <p className="text-bad">There is not a single row in it.</p>}
      {mixed && (
        <p className="text-bad">All rows must have the same shape; these are {formats.join(' and ')}.</p>
      )}
      {problemCount > 0 && (
        <div className="text-bad">
          <p>{problemCount.toLocaleString('en')} lines cannot be used:</p>
          <ul className="list-disc pl-6">
            {problems.map(({ line, field, message }) => (
              <li key={line} className="break-words">
                Line {line}
                {field && `, ${field}`}: {message}.
              </li>
            ))}
          </ul>
          {problemCount > problems.length && (
            <p>and {(problemCount - problems.length).toLocaleString('en')} more.</p>
          )}
        </div>
      )}
    </section>
  );
}
