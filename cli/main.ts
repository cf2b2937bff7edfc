/** The `patchbay` command. */
import { Command } from 'commander';
import { Client } from './client.ts';
import { completionScript } from './completion.ts';
import { CliError, EXIT } from './errors.ts';
import { type Output, print } from './output.ts';
import type { ReproduceOptions } from './reproduce.ts';
import { readSettings, serverUrl } from './settings.ts';
import type { TrainOptions } from './train.ts';

const program = new Command('patchbay')
  .description('Publish, browse, invoke and train LoRA adapters.')
  .option('--json', 'print one JSON value')
  .showHelpAfterError('(--help shows the arguments)')
  .exitOverride()
  .addHelpText(
    'after',
    `
Environment: PATCHBAY_URL and PATCHBAY_KEY, else what \`patchbay login\` stored.
Exit codes: 0 done, ${EXIT.failed} failed, ${EXIT.usage} wrong arguments, ${EXIT.denied} no key or not allowed, ${EXIT.notFound} not found, ${EXIT.refused} files refused, ${EXIT.unavailable} server busy or away, 130 interrupted.`,
  );

function output(): Output {
  return {
    json: program.opts<{ json?: boolean }>().json ?? false,
    isTerminal: process.stderr.isTTY ?? false,
  };
}

/** What a subcommand needs is loaded when it is asked for: loading is most of the start. */
const load = {
  account: () => import('./account.ts'),
  browse: () => import('./browse.ts'),
  chat: () => import('./chat.ts'),
  files: () => import('./files.ts'),
  jobs: () => import('./jobs.ts'),
  publish: () => import('./publish.ts'),
  reproduce: () => import('./reproduce.ts'),
  tasks: () => import('./tasks.ts'),
  train: () => import('./train.ts'),
  warm: () => import('./warm.ts'),
};

const client = async (): Promise<Client> => new Client(await readSettings(process.env));

program
  .command('login')
  .description('store a server and a key')
  .argument('[url]', 'the server')
  .option('--key <key>', 'the key; without it, it is asked for or read from standard input')
  .action(async (url: string | undefined, { key }: { key?: string }) => {
    await (await load.account()).login(
      output(),
      url === undefined ? (await readSettings(process.env)).url : serverUrl(url),
      key,
    );
  });

program
  .command('publish')
  .description('check a PEFT adapter folder, upload it and list it')
  .argument('<folder>')
  .option('--as <owner/name>', "where; default: your name and the folder's")
  .option('--base <owner/name>', 'base model; default: what adapter_config.json says')
  .option('--private', 'for you, and for members of its organisation')
  .action(async (folder: string, options: { as?: string; base?: string; private?: boolean }) =>
    (await load.publish()).publish(await client(), output(), folder, options),
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
  .option('--rank <bound>', '4, 8, 16, 32, 64, 128 or more')
  .option('--size <bound>', '1MB, 10MB, 100MB, 1GB or more')
  .option('--warm', 'whose base is loaded')
  .option('--sort <order>', 'relevance, newest, downloads, likes or gain')
  .option('--limit <count>')
  .option('--cursor <cursor>', 'from the end of the page before')
  .action(async (words: string[], filters: Record<string, string | true | undefined>) =>
    (await load.browse()).search(await client(), output(), words, filters),
  );

program
  .command('show')
  .description('an adapter, its files and its card')
  .argument('<adapter>', 'owner/name or owner/name@version')
  .action(async (reference: string) => (await load.browse()).show(await client(), output(), reference));

program
  .command('withdraw')
  .description('take a version of yours off the catalog, until it is published again')
  .argument('<version>', 'owner/name@version')
  .action(async (reference: string) => (await load.browse()).withdraw(await client(), output(), reference));

program
  .command('pull')
  .description('download an adapter as PEFT saved it')
  .argument('<adapter>', 'owner/name or owner/name@version')
  .argument('[folder]')
  .action(async (reference: string, folder: string | undefined) =>
    (await load.browse()).pull(await client(), output(), reference, folder),
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
  .action(async (model: string, options: object) =>
    (await load.chat()).chat(await client(), output(), model, options),
  );

program
  .command('train')
  .description('train an adapter on rows of JSONL')
  .argument('<data>', 'a file of messages, prompt and completion, or text')
  .requiredOption('--base <owner/name>', 'a base, or an adapter to go on from')
  .option('--name <name>', 'of the adapter, under your own; default: made up')
  .option('--private', 'a new adapter: only those who work on it see it')
  .option('--validation <file>', 'rows to measure with')
  .option('--epochs <count>')
  .option('--batch-size <count>')
  .option('--learning-rate <number>')
  .option('--rank <count>')
  .option('--alpha <number>')
  .option('--target-modules <list>', 'all-linear, attention, mlp, q,v, or names')
  .option('--seed <number>')
  .option('--set <key=value...>', 'any other hyperparameter; the value is JSON or text')
  .option('-f, --follow', 'draw the loss while it trains')
  .action(async (data: string, options: TrainOptions) =>
    (await load.train()).train(await client(), output(), data, options),
  );

const jobs = program.command('jobs').description('training jobs');
jobs
  .command('list', { isDefault: true })
  .action(async () => (await load.jobs()).listJobs(await client(), output()));
jobs
  .command('show')
  .argument('<job>')
  .action(async (id: string) => (await load.jobs()).showJob(await client(), output(), id));
jobs
  .command('follow')
  .description('draw the loss while it trains')
  .argument('<job>')
  .action(async (id: string) => (await load.train()).followToTheEnd(await client(), output(), id));
for (const action of ['cancel', 'pause', 'resume'] as const)
  jobs
    .command(action)
    .argument('<job>')
    .action(async (id: string) => (await load.jobs()).changeJob(await client(), output(), action, id));

const files = program.command('files').description('what was uploaded to train and to measure with');
files
  .command('list', { isDefault: true })
  .action(async () => (await load.files()).listFiles(await client(), output()));
files
  .command('rm')
  .argument('<file>')
  .action(async (id: string) => (await load.files()).removeFile(await client(), output(), id));

program
  .command('reproduce')
  .description('train a version again from its receipt, and compare the bytes')
  .argument('<adapter>', 'owner/name or owner/name@version')
  .option('--data <file>', 'the rows it was trained on, if they are not yours on the server')
  .option('--validation <file>')
  .action(async (reference: string, options: ReproduceOptions) =>
    (await load.reproduce()).reproduce(await client(), output(), reference, options),
  );

program
  .command('warm')
  .description('have a runner load a base and adapters before anybody waits for them; it costs one token')
  .argument('<model>', 'owner/name, owner/name@version, a base, or owner/a:0.7+owner/b:0.3')
  .action(async (model: string) => (await load.warm()).warm(await client(), output(), model));

program
  .command('evaluate')
  .description('measure a base, an adapter or a mix on held-out rows, beside its base')
  .argument('<model>', 'owner/name, owner/name@version, a base, or owner/a:0.7+owner/b:0.3')
  .option('--data <file>', 'rows to measure with; default: those of the base')
  .action(async (model: string, options: { data?: string }) =>
    (await load.tasks()).evaluate(await client(), output(), model, options.data),
  );

program
  .command('merge')
  .description('merge an adapter or a mix into its base, and download the checkpoint')
  .argument('<model>', 'owner/name, owner/name@version, or owner/a:0.7+owner/b:0.3')
  .argument('[folder]')
  .action(async (model: string, folder: string | undefined) =>
    (await load.tasks()).merge(await client(), output(), model, folder),
  );

const tasks = program.command('tasks').description('evaluations, merges and versions trained again');
tasks
  .command('list', { isDefault: true })
  .action(async () => (await load.tasks()).listTasks(await client(), output()));
tasks
  .command('show')
  .argument('<task>')
  .action(async (id: string) => (await load.tasks()).showTask(await client(), output(), id));
tasks
  .command('wait')
  .description('until it is over, and show what it found')
  .argument('<task>')
  .action(async (id: string) => (await load.tasks()).waitForTask(await client(), output(), id));
tasks
  .command('pull')
  .description('download what a merge made, once it is there')
  .argument('<task>')
  .argument('[folder]')
  .action(async (id: string, folder: string | undefined) =>
    (await load.tasks()).pullTask(await client(), output(), id, folder),
  );
tasks
  .command('cancel')
  .argument('<task>')
  .action(async (id: string) => (await load.tasks()).cancelTask(await client(), output(), id));

program
  .command('base')
  .description('base models')
  .command('import')
  .description('import a Hugging Face checkpoint folder')
  .argument('<folder>')
  .argument('<owner/name>')
  .action(async (folder: string, id: string) =>
    (await load.publish()).importBase(await client(), output(), folder, id),
  );

program
  .command('usage')
  .description('what was used in a month, and what it costs')
  .option('--month <month>', 'as in 2026-11; this one unless given')
  .action(async (options: { month?: string }) =>
    (await load.account()).showUsage(await client(), output(), options.month),
  );

const keys = program.command('keys').description('API keys (needs a key with the scope manage)');
keys
  .command('create')
  .argument('<name>')
  .option('--scopes <list>', 'of read, publish, infer, train, manage, admin', 'read,publish,infer')
  .option('--owner <name>', 'whose key')
  .option('--adapters <list>', 'owner/name,…: the key is for these alone')
  .option('--days <count>', 'until it expires')
  .action(
    async (name: string, options: { scopes: string; owner?: string; adapters?: string; days?: string }) =>
      (await load.account()).createKey(await client(), output(), name, options),
  );
keys.command('list').action(async () => (await load.account()).listKeys(await client(), output()));
keys
  .command('revoke')
  .argument('<id>')
  .action(async (id: string) => (await load.account()).revokeKey(await client(), output(), id));

program
  .command('people')
  .description('accounts on the site (needs a key with the scope admin)')
  .command('add')
  .description('give somebody an account, or a new password')
  .argument('<name>', 'what they publish under')
  .argument('<email>', 'what they sign in with')
  .action(async (name: string, email: string) =>
    (await load.account()).addPerson(await client(), output(), name, email),
  );

program
  .command('completion')
  .description('print a completion script: eval "$(patchbay completion bash)"')
  .argument('<shell>', 'bash, zsh or fish')
  .action((shell: string) => print(completionScript(program, shell)));

// Whoever reads the output, such as `head`, may have seen enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
});

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
