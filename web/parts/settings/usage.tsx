/** What was used and earned in a month. */
import type { FormEvent } from 'react';
import { Form, useSearchParams } from 'react-router';
import type { Schemas } from '../../api.ts';
import { browserApi } from '../../routes.tsx';
import { Failure, useAction } from '../action.tsx';
import { Field } from '../field.tsx';
import { Submit } from '../submit.tsx';
import { Table } from '../table.tsx';

const dollars = new Intl.NumberFormat('en', { style: 'currency', currency: 'USD', maximumFractionDigits: 6 });
const MONTHS_SHOWN = 12;

export function Usage({
  usage,
  earnings,
}: {
  usage: Schemas['UsageStatement'];
  earnings: Schemas['EarningsStatement'];
}) {
  const [params] = useSearchParams();
  return (
    <section className="flex flex-col gap-6">
      <Form className="flex flex-wrap items-end gap-3">
        <Field label="Month">
          <select
            name="month"
            defaultValue={params.get('month') ?? usage.month}
            onChange={(event) => event.currentTarget.form?.requestSubmit()}
          >
            {monthsBefore(usage.month, params.get('month')).map((month) => (
              <option key={month}>{month}</option>
            ))}
          </select>
        </Field>
        <a
          className="button"
          href={`/api/usage?month=${usage.month}&format=csv`}
          download={`usage-${usage.month}.csv`}
        >
          Usage as CSV
        </a>
        <a
          className="button"
          href={`/api/earnings?month=${usage.month}&format=csv`}
          download={`earnings-${usage.month}.csv`}
        >
          Earnings as CSV
        </a>
      </Form>
      <div>
        <h2 className="mb-2">Used: {dollars.format(usage.total)}</h2>
        {usage.items.length === 0 ? (
          <p className="text-quiet">Nothing was used in {usage.month}.</p>
        ) : (
          <Table head={['Model', 'What', 'Quantity', 'Charge']} label="Usage">
            {usage.items.map(({ model, kind, quantity, charge }) => (
              <tr key={model + kind}>
                <th scope="row">{model}</th>
                <td>{kind} tokens</td>
                <td className="tabular-nums">{quantity.toLocaleString('en')}</td>
                <td className="tabular-nums">{dollars.format(charge)}</td>
              </tr>
            ))}
          </Table>
        )}
      </div>
      <Cap cap={usage.cap} />
      <div>
        <h2 className="mb-2">Earned: {dollars.format(earnings.total)}</h2>
        {earnings.items.length === 0 ? (
          <p className="text-quiet">Your adapters earned nothing in {earnings.month}.</p>
        ) : (
          <Table head={['Adapter', 'What', 'Amount']} label="Earnings">
            {earnings.items.map(({ adapter, kind, amount }) => (
              <tr key={adapter + kind}>
                <th scope="row">{adapter}</th>
                <td>{kind}</td>
                <td className="tabular-nums">{dollars.format(amount)}</td>
              </tr>
            ))}
          </Table>
        )}
      </div>
    </section>
  );
}

/** The month that is shown, and those before it; up to the one that was asked for first. */
function monthsBefore(shown: string, asked: string | null): string[] {
  const [year = 0, month = 1] = (asked && asked > shown ? asked : shown).split('-').map(Number);
  const now = Math.max(year * 12 + month - 1, new Date().getUTCFullYear() * 12 + new Date().getUTCMonth());
  return Array.from({ length: MONTHS_SHOWN }, (_, i) => {
    const at = now - i;
    return `${Math.floor(at / 12)}-${String((at % 12) + 1).padStart(2, '0')}`;
  });
}

function Cap({ cap }: { cap: number | null }) {
  const { busy, failure, run } = useAction();
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const text = String(new FormData(event.currentTarget).get('cap')).trim();
    void run(() => browserApi().PUT('/api/usage/cap', { body: { cap: text === '' ? null : Number(text) } }));
  };
  return (
    <form onSubmit={submit} className="panel fields p-4">
      <Field
        label="Most that may be spent in a month, in dollars"
        hint="Empty: no limit. Beyond it, answers and training are refused, and jobs that run pause."
      >
        <input type="number" name="cap" min={0} max={1e6} step="any" defaultValue={cap ?? ''} />
      </Field>
      <Submit disabled={busy}>Set</Submit>
      <Failure of={failure} />
    </form>
  );
}
