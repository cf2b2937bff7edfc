/** `patchbay login`, `keys`, `people` and `usage`. */
import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import {
  Client as ApiClient,
  type Client,
  GivenPassword,
  Keys,
  MadeKey,
  Statement,
  Whoami,
} from './client.ts';
import { CliError, EXIT } from './errors.ts';
import { number } from './options.ts';
import { note, type Output, result, table } from './output.ts';
import { storeSettings } from './settings.ts';

const MAX_DAYS = 365;

export async function login(output: Output, url: string, given: string | undefined): Promise<void> {
  const key = given ?? (await askForKey());
  if (!key)
    throw new CliError(
      EXIT.usage,
      'no key was given',
      'The server prints one when it starts for the first time.',
    );
  const who = await new ApiClient({ url, key }).get(Whoami, '/api/whoami').catch((error: unknown) => {
    if (!(error instanceof CliError) || error.exitCode !== EXIT.denied) throw error;
    throw new CliError(
      EXIT.denied,
      `${url} does not know this key, or no longer`,
      'See that it is this server’s, and whole; a new one is made in its settings, or by `patchbay keys create`.',
    );
  });
  const file = await storeSettings(url, key);
  result(
    output,
    { url, ...who, file },
    () => `logged in at ${url} as ${who.owner} (${who.scopes.join(', ')}); the key is in ${file}`,
  );
}

async function askForKey(): Promise<string> {
  if (!process.stdin.isTTY) {
    let text = '';
    for await (const chunk of process.stdin) text += chunk;
    return text.trim();
  }
  // Whoever looks on, or scrolls back, does not see it.
  const unseen = new Writable({ write: (_chunk, _encoding, done) => done() });
  const terminal = createInterface({ input: process.stdin, output: unseen, terminal: true });
  // The terminal leaves it to its reader what Ctrl-C means: what it means everywhere.
  terminal.once('SIGINT', () => {
    terminal.close();
    note('');
    process.kill(process.pid, 'SIGINT');
  });
  process.stderr.write('Key: ');
  try {
    for await (const line of terminal) return line.trim();
    return '';
  } finally {
    terminal.close();
    note('');
  }
}

export async function createKey(
  client: Client,
  output: Output,
  name: string,
  options: { scopes: string; owner?: string; adapters?: string; days?: string },
): Promise<void> {
  const days = number('--days', options.days);
  if (days !== undefined && !(days >= 1 && days <= MAX_DAYS))
    throw new CliError(EXIT.usage, `--days ${days} is not from 1 to ${MAX_DAYS}`);
  const made = await client.post(MadeKey, '/api/keys', {
    name,
    scopes: options.scopes.split(',').map((scope) => scope.trim()),
    ...(options.owner ? { owner: options.owner } : {}),
    ...(options.adapters ? { adapters: options.adapters.split(',').map((id) => id.trim()) } : {}),
    ...(days === undefined ? {} : { expiresInSeconds: Math.round(days * 86_400) }),
  });
  result(output, made, () => `${made.key}\nShown only now. id ${made.id}, scopes ${made.scopes.join(', ')}`);
}

export async function listKeys(client: Client, output: Output): Promise<void> {
  const { keys } = await client.get(Keys, '/api/keys');
  result(output, keys, () =>
    table(
      ['ID', 'KEY', 'SCOPES', 'NAME'],
      keys.map(({ id, start, scopes, name }) => [id, `${start}…`, scopes.join(','), name]),
    ),
  );
}

export async function revokeKey(client: Client, output: Output, id: string): Promise<void> {
  await client.delete(`/api/keys/${encodeURIComponent(id)}`);
  result(output, { revoked: id }, () => `revoked ${id}`);
}

export async function addPerson(client: Client, output: Output, name: string, email: string): Promise<void> {
  const given = await client.post(GivenPassword, '/api/people', { name, email });
  result(
    output,
    given,
    () =>
      `${given.password}\nShown only now. ${given.name} signs in at ${client.settings.url}/sign-in with ${given.email}, and can change it at ${client.settings.url}/settings/password`,
  );
}

export async function showUsage(client: Client, output: Output, month: string | undefined): Promise<void> {
  const query = month === undefined ? '' : `?month=${encodeURIComponent(month)}`;
  const statement = await client.get(Statement, `/api/usage${query}`);
  result(output, statement, () => {
    const { owner, currency, total, cap, items } = statement;
    const money = (amount: number) => `${amount.toFixed(4)} ${currency}`;
    const rows = items.map(({ model, kind, quantity, charge }) => [
      model,
      kind,
      quantity.toLocaleString('en'),
      money(charge),
    ]);
    return [
      `${owner} in ${statement.month}: ${money(total)}${cap === null ? '' : ` of ${money(cap)}`}`,
      ...(rows.length > 0 ? [table(['MODEL', 'KIND', 'QUANTITY', 'CHARGE'], rows)] : []),
    ].join('\n');
  });
}
