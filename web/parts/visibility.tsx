/** Who may see an adapter: chosen of a new one, and of one that is there. */
import type { ComponentProps } from 'react';
import { Link } from 'react-router';
import { dataOf } from '../api.ts';
import { browserApi } from '../routes.tsx';
import { Field } from './field.tsx';

const WHO = { public: 'everybody', private: 'those who work on it' } as const;

/** As a field named `visibility` of a form, or as its caller holds it. */
export function VisibilityField({
  hint,
  className,
  ...select
}: Pick<ComponentProps<typeof Field>, 'hint' | 'className'> &
  Pick<ComponentProps<'select'>, 'value' | 'disabled' | 'onChange'>) {
  return (
    <Field label="Who may see it" hint={hint} className={className}>
      <select name="visibility" {...select}>
        {Object.entries(WHO).map(([value, label]) => (
          <option key={value} value={value}>
            {label}
          </option>
        ))}
      </select>
    </Field>
  );
}

/** A name that everybody sees already: nothing is published under it as private. */
class PublicName extends Error {}

/** Before anything is sent. @throws PublicName, of a name that the catalog lists for everybody */
export async function refusePublic(owner: string, name: string): Promise<void> {
  const query = { owner, q: name, limit: 100 };
  const { adapters } = await dataOf(browserApi().GET('/api/adapters', { params: { query } }));
  if (adapters.some((one) => one.name === name && one.visibility === 'public')) throw new PublicName();
}

/** The server says the same of what the catalog does not list, in its own protocol or in OpenAI's. */
export function isOfPublicName(error: unknown): boolean {
  if (error instanceof PublicName) return true;
  const { status, field, param } = error as { status?: number; field?: string; param?: string };
  return status === 409 && (field ?? param) === 'visibility';
}

/** @param id owner/name */
export function PublicAlready({ id }: { id: string }) {
  return (
    <p role="alert" className="panel border-warn p-3">
      Everybody sees <strong className="break-all">{id}</strong> already. To go on with it as private,{' '}
      <Link className="link" to={`/adapters/${id}/manage`}>
        make it private in its settings
      </Link>{' '}
      first; or choose another name.
    </p>
  );
}
