/** The `patchbay` command. */
import { Command } from 'commander';
import { createKey, listKeys, login, revokeKey } from './account.ts';
import { pull, search, show } from './browse.ts';
import { chat } from './chat.ts';
import { Client } from './client.ts';
import { completionScript } from './completion.ts';
import { CliError, EXIT } from './errors.ts';
import { type Output, print } from './output.ts';
import { importBase, publish } from './publish.ts';
import { readSettings } from './settings.ts';

const program = new Command('patchbay')
  .description('Publish, browse and invoke LoRA adapters.')
  .option('--json', 'print one JSON value')
  .showHelpAfterError('(--help shows the arguments)')
  .exitOverride()
  .addHelpText(
    'after',
    `
Environment: PATCHBAY_URL and PATCHBAY_KEY, else what \`patchbay login\` stored.
Exit codes: 0 done, ${EXIT.failed} failed, ${EXIT.usage} wrong arguments, ${EXIT.denied} no key or not allowed, ${EXIT.notFound} not found, ${EXIT.refused} files refused, ${EXIT.unavailable} server busy or away.`,
  );

function output(): Output {
  return {
    json: program.opts<{ json?: boolean }>().json ?? false,
    isTerminal: process.stderr.isTTY ?? false,
  };
}

const client = async (): Promise<Client> => new Client(await readSettings(process.env));

program
  .command('login')
  .description('store a server and a key')
  .argument('[url]', 'the server')
  .option('--key <key>', 'the key; without it, it is asked for or read from standard input')
  .action(async (url: string | undefined, { key }: { key?: string }) => {
    await login(output(), (url ?? (await readSettings(process.env)).url).replace(/\/+$/, ''), key);
  });

program
  .command('publish')
  .description('check a PEFT adapter folder, upload it and list it')
  .argument('<folder>')
  .option('--as <owner/name>', "where; default: your name and the folder's")
  .option('--base <owner/name>', 'base model; default: what adapter_config.json says')
  .action(async (folder: string, options: { as?: string; base?: string }) =>
    publish(await client(), output(), folder, options),
  );

program
  .command('search')
  .description('search the catalog')
  .argument('[words...]')
  .option('--base <id>')
  .option('--owner <name>')
  .option('--task <task>')
  .option('--language <code>')
  .option('--license <id>')
  .option('--tag <tag>')
  .option('--limit <count>')
  .option('--cursor <cursor>', 'from the end of the page before')
  .action(async (words: string[], filters: Record<string, string | undefined>) =>
    search(await client(), output(), words, filters),
  );

program
  .command('show')
  .description('an adapter, its files and its card')
  .argument('<adapter>', 'owner/name or owner/name@version')
  .action(async (reference: string) => show(await client(), output(), reference));

program
  .command('pull')
  .description('download an adapter as PEFT saved it')
  .argument('<adapter>', 'owner/name or owner/name@version')
  .argument('[folder]')
  .action(async (reference: string, folder: string | undefined) =>
    pull(await client(), output(), reference, folder),
  );

program
  .command('chat')
  .description('talk to a base, an adapter, or a mix such as owner/a:0.7+owner/b:0.3')
  .argument('<model>')
  .option('-m, --message <text>', 'one question; without it, a conversation')
  .option('--system <text>')
  .option('--temperature <number>')
  .option('--max-tokens <count>')
  .option('--seed <number>')
  .action(async (model: string, options: object) => chat(await client(), output(), model, options));

program
  .command('base')
  .description('base models')
  .command('import')
  .description('import a Hugging Face checkpoint folder')
  .argument('<folder>')
  .argument('<owner/name>')
  .action(async (folder: string, id: string) => importBase(await client(), output(), folder, id));

const keys = program.command('keys').description('API keys (needs an admin key)');
keys
  .command('create')
  .argument('<name>')
  .option('--scopes <list>', 'of read, publish, infer, train, admin', 'read,publish,infer')
  .option('--owner <name>', 'whose key; made if need be')
  .option('--days <count>', 'until it expires')
  .action(async (name: string, options: { scopes: string; owner?: string; days?: string }) =>
    createKey(await client(), output(), name, options),
  );
keys.command('list').action(async () => listKeys(await client(), output()));
keys
  .command('revoke')
  .argument('<id>')
  .action(async (id: string) => revokeKey(await client(), output(), id));

program
  .command('completion')
  .description('print a completion script: eval "$(patchbay completion bash)"')
  .argument('<shell>', 'bash, zsh or fish')
  .action((shell: string) => print(completionScript(program, shell)));

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = report(error);
}

function report(error: unknown): number {
  if (error instanceof CliError) {
    process.stderr.write(`patchbay: ${error.message}\n${error.hint ? `${error.hint}\n` : ''}`);
    return error.exitCode;
  }
  const { code, exitCode } = error as { code?: string; exitCode?: number };
  // commander has printed its own message already
  if (code?.startsWith('commander.')) return exitCode === 0 ? 0 : EXIT.usage;
  process.stderr.write(`patchbay: ${(error as Error).message}\n`);
  return EXIT.failed;
}
