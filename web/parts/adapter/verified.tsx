/** What the publish gate looked at, and what it found. */
import { Link } from 'react-router';
import type { Schemas } from '../../api.ts';
import { useViewer } from '../../layout.tsx';
import type { Shown } from '../../pages/adapter.tsx';
import { CopyButton } from '../copy-button.tsx';
import { date, signed } from '../format.ts';
import { Scroll } from '../scroll.tsx';
import { Spectrum } from '../spectrum.tsx';
import { Beside } from './beside.tsx';
import { Measure } from './measure.tsx';

type Verification = NonNullable<Schemas['Verification']>;
type Findings = NonNullable<Verification['findings']>;

export function Verified({ version }: Shown) {
  const { verification, runsOn } = version;
  const viewer = useViewer();
  return (
    <div className="flex flex-col gap-8">
      {verification ? (
        <Checked {...verification} />
      ) : (
        <p>It has not been verified yet. It is listed once it was.</p>
      )}
      {viewer && version.status === 'passed' && (
        <Measure key={version.reference} reference={version.reference} />
      )}
      <RunsOn runsOn={runsOn} />
    </div>
  );
}

function Checked({ status, checkedAt, rules, problems, findings, record }: Verification) {
  return (
    <>
      <section>
        <h2 className="mb-2">
          {status === 'passed' ? 'Verified' : 'Refused'}
          {checkedAt && (
            <span className="font-normal text-quiet">
              {' '}
              on {date(checkedAt)}, by rules {rules}
            </span>
          )}
        </h2>
        {problems.length > 0 && (
          <ul className="list-disc pl-6 text-bad">
            {problems.map(({ code, detail }) => (
              <li key={code + detail}>{detail}</li>
            ))}
          </ul>
        )}
        {status === 'passed' && (
          <p className="max-w-prose text-quiet">
            Names, shapes and ranks fit the base; no value is infinite or missing; it runs, ends, and says
            something that the base does not.
          </p>
        )}
        {record && (
          <p className="mt-2 flex flex-wrap items-center gap-2 text-sm">
            <span>
              The record is signed with a{' '}
              <a className="link" href="/.well-known/jwks.json">
                key of this server
              </a>
              .
            </span>
            <CopyButton text={record} what="the signed record" />
          </p>
        )}
      </section>
      {findings?.evaluation && <Evaluation {...findings.evaluation} />}
      {findings?.smoke && (
        <Answers answers={findings.smoke.answers} changed={findings.smoke.changedAnswers} />
      )}
      {findings && findings.spectrum.length > 0 && (
        <Spectrum modules={findings.spectrum} advice={findings.advice} />
      )}
      {findings && findings.notes.length > 0 && (
        <section>
          <h2 className="mb-2">Not looked at</h2>
          <ul className="list-disc pl-6">
            {findings.notes.map((note) => (
              <li key={note}>{note}</li>
            ))}
          </ul>
        </section>
      )}
    </>
  );
}

function Evaluation({ of, rows, loss, lossDifference, accuracy }: NonNullable<Findings['evaluation']>) {
  return (
    <section>
      <h2 className="mb-1">Beside its base</h2>
      <p className="mb-4 max-w-prose text-quiet">
        On {rows} rows{' '}
        {of === 'publisher' ? 'that its publisher kept out of training' : 'of the base’s standard set'}. The
        adapter’s loss is {signed(lossDifference.value)} nats per token ({loss.base.toFixed(2)} →{' '}
        {loss.adapter.toFixed(2)}), 95% interval {signed(lossDifference.low)} to {signed(lossDifference.high)}
        .
      </p>
      <Beside
        base={{ loss: loss.base, accuracy: accuracy.base }}
        adapter={{ loss: loss.adapter, accuracy: accuracy.adapter }}
      />
    </section>
  );
}

function Answers({
  answers,
  changed,
}: {
  answers: NonNullable<Findings['smoke']>['answers'];
  changed: number;
}) {
  return (
    <section>
      <h2 className="mb-1">What it answered</h2>
      <p className="mb-2 text-quiet">
        {changed} of {answers.length} answers are not the base’s.
      </p>
      <Scroll label="Answers">
        <table className="table">
          <thead>
            <tr>
              <th scope="col">Prompt</th>
              <th scope="col">Base</th>
              <th scope="col">Adapter</th>
            </tr>
          </thead>
          <tbody>
            {answers.map(({ prompt, base, adapter }) => (
              <tr key={prompt}>
                <th scope="row" className="font-normal!">
                  {prompt}
                </th>
                <td className="break-words whitespace-pre-wrap">{base}</td>
                <td className="break-words whitespace-pre-wrap">{adapter}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </section>
  );
}

function RunsOn({ runsOn }: { runsOn: Shown['version']['runsOn'] }) {
  const look = { yes: 'text-good', 'with changes': 'text-warn', no: 'text-bad' } as const;
  const sign = { yes: '✓', 'with changes': '~', no: '✗' } as const;
  return (
    <section>
      <h2 className="mb-1">Runs on</h2>
      <p className="mb-2 max-w-prose text-quiet">
        By each platform’s own limits, as they were published on the day that is named.{' '}
        <Link className="link" to="../use" relative="path">
          How to use it there
        </Link>
      </p>
      <Scroll label="Platforms">
        <table className="table">
          <thead>
            <tr>
              <th scope="col">Platform</th>
              <th scope="col">Runs</th>
              <th scope="col">Why</th>
              <th scope="col">Source</th>
            </tr>
          </thead>
          <tbody>
            {runsOn.map(({ platform, runs, reasons, source, asOf }) => (
              <tr key={platform}>
                <th scope="row" className="text-ink!">
                  {platform}
                </th>
                <td className={`whitespace-nowrap ${look[runs]}`}>
                  <span aria-hidden>{sign[runs]}</span> {runs}
                </td>
                <td>{reasons.join(' ')}</td>
                <td className="whitespace-nowrap text-quiet">
                  {/^https:/.test(source) ? (
                    <a className="link" href={source} rel="noopener">
                      {asOf}
                    </a>
                  ) : (
                    asOf
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </section>
  );
}
