/** The site in a real browser, over a real server on an empty folder: what a new visitor does, from the first page on. */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { violationsOf } from './axe.ts';
import { chromiumPath, openBrowser } from './browser.ts';
import { seedFolder, TestServer } from './harness.ts';

const PASSWORD = 'a long enough password';
const adapterFolder = join(seedFolder, 'adapters/sentiment');
const REVIEW = 'The soup was cold and the waiter was rude.';

let server: TestServer;
let browser: Browser;
let context: BrowserContext;
/** What a browser complained of: nobody may see any of it. */
const complaints: string[] = [];

async function filesOf(folder: string): Promise<string[]> {
  const names = await readdir(folder);
  return names
    .filter((name) => /^(adapter_.*|README\.md|eval\.jsonl)$/.test(name))
    .map((name) => join(folder, name));
}

async function contentsOf(folder: string) {
  const read = async (path: string) => ({
    name: basename(path),
    mimeType: 'application/octet-stream',
    buffer: await readFile(path),
  });
  return Promise.all((await filesOf(folder)).map(read));
}

function listen(page: Page): Page {
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(`${page.url()}: ${message.text()}`);
  });
  page.on('pageerror', (error) => complaints.push(`${page.url()}: ${error.stack}`));
  return page;
}

async function opened(path: string, within = context): Promise<Page> {
  const page = listen(await within.newPage());
  await page.goto(server.url + path, { waitUntil: 'networkidle' });
  return page;
}

describe.skipIf(!chromiumPath)('the site', { timeout: 180_000 }, () => {
  beforeAll(async () => {
    server = await TestServer.start();
    browser = await openBrowser();
    context = await browser.newContext();
  });
  // Where a test is not about what breaks, a browser has nothing to say.
  afterEach(() => expect(complaints).toEqual([]));
  afterAll(async () => {
    await browser?.close();
    await server?.remove();
  });

  it('shows the catalog and an adapter to whom runs no script', async () => {
    const plain = await browser.newContext({ javaScriptEnabled: false });
    const page = await opened('/?q=sentiment', plain);
    expect(await page.getByRole('article').count()).toBe(1);
    await page.getByRole('link', { name: 'Sentiment label' }).click();
    await page.getByRole('heading', { level: 1, name: 'Sentiment label' }).first().waitFor();
    await page.getByRole('link', { name: 'Verification', exact: true }).click();
    await page.getByRole('heading', { name: 'Beside its base' }).waitFor();
    await plain.close();
  });

  it('puts no password and no key into a URL, where no script has come to send them', async () => {
    const plain = await browser.newContext({ javaScriptEnabled: false });
    const page = await opened('/sign-in', plain);
    await page.getByLabel('E-mail').fill('dora@example.org');
    await page.getByLabel('Password').fill(PASSWORD);
    await page.keyboard.press('Enter');
    expect(await page.content()).toContain('This takes JavaScript');
    expect(await page.getByRole('button', { name: 'Sign in' }).isDisabled()).toBe(true);
    expect(page.url()).toBe(`${server.url}/sign-in`);
    for (const path of ['/sign-in', '/operator']) {
      await page.goto(server.url + path);
      expect(await page.locator('main form').getAttribute('method'), path).toBe('post');
    }
    await plain.close();
  });

  it('finds as one types, filters, and keeps all of it in the URL', async () => {
    const page = await opened('/');
    await page.getByRole('searchbox').fill('sql');
    await page.waitForURL('**/?q=sql');
    await page.getByRole('article').first().getByText('Question to SQL').waitFor();
    expect(await page.getByRole('article').count()).toBe(1);
    await page.getByRole('searchbox').fill('nothing has these words xyzzy');
    await page.getByText('No adapter matches all of this.').waitFor();
    await page.goto(`${server.url}/?task=text2sql`);
    expect(await page.getByRole('article').count()).toBe(1);
    await page
      .getByRole('link', { name: /text2sql/ })
      .first()
      .click();
    await page.waitForURL((url) => !url.searchParams.has('task'));
    await page.getByText('5 adapters').waitFor();
    await page.close();
  });

  it('somebody signs up, publishes a folder, and finds it verified', async () => {
    const page = await opened('/publish');
    await page.waitForURL('**/sign-in?to=%2Fpublish');
    await page.getByRole('button', { name: 'Make an account' }).click();
    await page.getByLabel('Name').fill('dora');
    await page.getByLabel('E-mail').fill('dora@example.org');
    await page.getByLabel('Password').fill(PASSWORD);
    await page.getByRole('button', { name: 'Make the account' }).click();
    await page.waitForURL('**/publish', { waitUntil: 'networkidle' });
    await page.locator('input[type=file]').setInputFiles(await filesOf(adapterFolder));
    await page.getByText('Its names and shapes fit patchbay/tiny.').waitFor();
    await page.getByLabel('Name').fill('moods');
    await page.getByRole('button', { name: 'Publish' }).click();
    await page.getByRole('heading', { name: 'dora/moods@1 is listed' }).waitFor({ timeout: 120_000 });
    await page.getByRole('link', { name: 'Its page' }).click();
    await page.getByText('verified', { exact: true }).waitFor();
    await page.goto(`${server.url}/?q=moods`);
    expect(await page.getByRole('article').count()).toBe(1);
    await page.close();
  });

  it('asks it beside its base, and in the playground with a mix', async () => {
    const page = await opened('/adapters/dora/moods');
    await page.getByLabel('Prompt').fill(REVIEW);
    await page.getByRole('button', { name: 'Ask' }).click();
    await page.locator('figure', { hasText: 'dora/moods@1' }).getByText('negative').waitFor();
    await page.getByRole('region', { name: 'Try it' }).getByRole('link', { name: 'Playground' }).click();
    await page.getByRole('button', { name: 'Add a column' }).click();
    const third = page.getByRole('region', { name: /^Column 3/ });
    await third.getByLabel('Add an adapter').fill('patchbay/json');
    await page.getByLabel('Token probabilities').check();
    await page.getByLabel('Prompt').fill(REVIEW);
    await page.keyboard.press('Enter');
    const second = page.getByRole('region', { name: /^Column 2/ });
    await second.getByRole('button', { name: 'negative' }).hover();
    await second.getByRole('cell', { name: '%' }).first().waitFor();
    await third.getByText(/tokens\/s/).waitFor();
    await second.getByRole('button', { name: 'Regenerate' }).click();
    await second.getByText(/first token/).waitFor();
    await page.close();
  });

  it('says which rows of a file cannot be used, and sends nothing', async () => {
    const page = await opened('/train');
    const rows = ['{"prompt": "a", "completion": "b"}', '{"prompt": "a"}', 'no JSON'].join('\n');
    await page
      .locator('input[type=file]')
      .setInputFiles([{ name: 'rows.jsonl', mimeType: 'text/plain', buffer: Buffer.from(rows) }]);
    await page.getByText('2 lines cannot be used').waitFor();
    await page.getByText(/^Line 2, completion/).waitFor();
    await page.getByText(/^Line 3/).waitFor();
    expect(await page.getByRole('button', { name: 'Start training' }).isDisabled()).toBe(true);
    await page.close();
  });

  it('sends a file in parts that one request may not hold', async () => {
    const page = await opened('/train');
    const parts: string[] = [];
    page.on('response', (response) => {
      if (/\/v1\/uploads\/\w[^/]+\/parts$/.test(response.url())) parts.push(String(response.status()));
    });
    // What is asked for then; no job is made of it.
    const job = new Promise<{ training_file: string }>((resolve) =>
      page.route('**/v1/fine_tuning/jobs', (route) => resolve(route.request().postDataJSON())),
    );
    const buffer = Buffer.from(`${JSON.stringify({ text: 'word '.repeat(1000) })}\n`.repeat(900));
    await page
      .locator('input[type=file]')
      .setInputFiles([{ name: 'rows.jsonl', mimeType: 'text/plain', buffer }]);
    await page.getByText(/rows of text/).waitFor();
    await page.getByRole('button', { name: 'Start training' }).click();
    expect(await job).toMatchObject({ training_file: expect.stringMatching(/^file-/) });
    expect(parts).toEqual(['200', '200']);
    await page.close();
  });

  it('trains one while its curve grows, and takes it away', async () => {
    const page = await opened('/train');
    const rows = join(seedFolder, 'adapters/sentiment/eval.jsonl');
    await page.locator('input[type=file]').setInputFiles(rows);
    await page.getByText(/rows of messages/).waitFor();
    await page.getByLabel('Name').fill('trained');
    await page.getByLabel('Quick look').check();
    await page.getByText('Advanced').click();
    await page.getByLabel('Prompts to answer').fill(REVIEW);
    await page.getByRole('region', { name: 'Estimate' }).getByText('100', { exact: true }).waitFor(); // 200 rows, two a step
    await page.getByRole('button', { name: 'Start training' }).click();
    await page.waitForURL('**/jobs/ftjob-*');
    await page.getByRole('img', { name: /^Loss/ }).waitFor({ timeout: 60_000 });
    await page.getByText('It made dora/trained').waitFor({ timeout: 120_000 });
    await page
      .getByRole('button', { name: /^Promote step/ })
      .last()
      .click();
    await page.getByRole('alertdialog').getByRole('button', { name: 'Publish it' }).click();
    await page.getByRole('link', { name: 'dora/trained@2' }).waitFor();
    const job = page.url();
    await page
      .getByRole('link', { name: /^Try step/ })
      .last()
      .click();
    await page.getByLabel('Prompt').fill(REVIEW);
    await page.keyboard.press('Enter');
    await page
      .getByRole('region', { name: /^Column 2: dora\/trained@ftckpt/ })
      .getByText(/tokens\/s/)
      .waitFor();
    await page.goto(job);
    await page.getByRole('link', { name: 'Its page' }).click();
    await page.getByRole('link', { name: 'Files', exact: true }).click();
    const row = page.getByRole('row', { name: /adapter_model.safetensors/ });
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      row.getByRole('link', { name: 'adapter_model.safetensors' }).click(),
    ]);
    const digest = createHash('sha256')
      .update(await readFile(await download.path()))
      .digest('hex');
    expect(await row.textContent()).toContain(digest);
    await page.getByRole('button', { name: /Look into/ }).click();
    await page.getByRole('heading', { name: /tensors/ }).waitFor();
    await page.close();
  });

  it('goes on with an upload that a broken line and a reload interrupted', async () => {
    const page = await opened('/publish');
    const store = (url: URL) => url.searchParams.has('X-Amz-Signature');
    let cut = 0;
    await page.route(store, (route) =>
      route.request().method() === 'PUT' ? route.abort() : route.continue(),
    );
    page.on('requestfailed', () => cut++);
    const choose = async () => {
      // Not as it ships: what the server has already is not sent.
      const files = await contentsOf(join(seedFolder, 'adapters/formal'));
      const weights = files.find(({ name }) => name.endsWith('.safetensors'))!.buffer;
      weights.writeUInt8(weights.at(-4)! ^ 1, weights.length - 4);
      await page.locator('input[type=file]').setInputFiles(files);
      await page.getByLabel('Name').fill('resumed');
      await page.getByRole('button', { name: 'Publish' }).click();
    };
    await choose();
    await expect.poll(() => cut).toBeGreaterThan(0);
    complaints.length = 0; // the browser says that the line broke
    await page.reload({ waitUntil: 'networkidle' });
    await page.getByText('was interrupted').waitFor();
    await page.unroute(store);
    const drafts: string[] = [];
    page.on('request', (request) => {
      if (request.method() === 'POST' && request.url().endsWith('/versions')) drafts.push(request.url());
    });
    await choose();
    await page.getByRole('heading', { name: 'dora/resumed@1 is listed' }).waitFor({ timeout: 120_000 });
    expect(drafts).toEqual([]); // the draft of before was taken up
    await page.reload();
    expect(await page.getByText('was interrupted').count()).toBe(0);
    await page.close();
  });

  it('publishes another version though the answers are lost, and shows of each what it is', async () => {
    const page = await opened('/publish');
    const lost = new Set<string>();
    // Each is answered, and its first answer does not arrive.
    await page.route(/\/(complete|versions\/\d+)$/, async (route) => {
      const { pathname } = new URL(route.request().url());
      if (lost.has(pathname)) return route.continue();
      lost.add(pathname);
      await route.fetch();
      await route.abort();
    });
    const card = '---\ntitle: Moods, told anew\n---\nAnother card.\n';
    await page
      .locator('input[type=file]')
      .setInputFiles([
        ...(await contentsOf(adapterFolder)).filter(({ name }) => /^adapter_/.test(name)),
        { name: 'README.md', mimeType: 'text/markdown', buffer: Buffer.from(card) },
      ]);
    await page.getByLabel('Name').fill('moods');
    await page.getByRole('button', { name: 'Publish' }).click();
    await page.getByText('It is being tried again').waitFor();
    await page.getByRole('heading', { name: 'dora/moods@2 is listed' }).waitFor({ timeout: 120_000 });
    expect(lost.size).toBeGreaterThan(0);
    complaints.length = 0; // the browser says that the answers were lost
    await page.unrouteAll();
    await page.goto(`${server.url}/adapters/dora/moods`);
    await page.getByRole('heading', { level: 1, name: 'Moods, told anew' }).waitFor();
    await page.getByText('Not compared with its base').waitFor();
    await page.goto(`${server.url}/adapters/dora/moods?version=1`);
    await page.getByRole('heading', { level: 1, name: 'Sentiment label' }).waitFor();
    await page.getByText(/held-out rows; the gain/).waitFor();
    expect(await page.getByText('Another card.').count()).toBe(0);
    await page.goto(`${server.url}/adapters/dora/moods/versions`);
    await page
      .getByRole('row', { name: /^2 latest/ })
      .getByText('verified', { exact: true })
      .waitFor();
    await page.close();
  });

  it('says of what it sent whether it is there, is not, or has to be looked for', async () => {
    const page = await opened('/publish');
    const completing = '**/api/drafts/*/complete';
    const refusal = (status: number, detail: string) => ({
      status,
      contentType: 'application/problem+json',
      body: JSON.stringify({ status, code: 'any', detail }),
    });
    // Not as it ships: what the server has already is not sent.
    const files = await contentsOf(adapterFolder);
    const weights = files.find(({ name }) => name.endsWith('.safetensors'))!.buffer;
    weights.writeUInt8(weights.at(-4)! ^ 1, weights.length - 4);
    const publish = async (name: string) => {
      await page.goto(`${server.url}/publish`, { waitUntil: 'networkidle' });
      await page.locator('input[type=file]').setInputFiles(files);
      await page.getByLabel('Name').fill(name);
      await page.getByRole('button', { name: 'Publish' }).click();
    };
    await page.route(completing, (route) => route.fulfill(refusal(409, 'Another one is being published.')));
    await publish('contended');
    await page.getByRole('heading', { name: 'It was not published' }).waitFor();
    await page.getByRole('alert').getByText('Another one is being published.').waitFor();

    // Parts that were lost to the store that joins them are sent again.
    await page.unrouteAll();
    let asked = 0;
    await page.route(completing, (route) =>
      asked++ === 0 ? route.fulfill(refusal(409, 'Parts are missing.')) : route.continue(),
    );
    await page.route('**/api/drafts/*', async (route) => {
      const answer = await route.fetch();
      const draft = await answer.json();
      for (const { parts = [] } of draft.files) for (const part of parts) part.done = false;
      await route.fulfill({ response: answer, json: draft });
    });
    await publish('contended');
    await page.getByRole('heading', { name: 'dora/contended@1 is listed' }).waitFor({ timeout: 120_000 });
    expect(asked).toBe(2);

    // It is taken, nobody hears of it, and then the session is over.
    await page.unrouteAll();
    let lost = false;
    await page.route(completing, async (route) => {
      if (lost) return route.fulfill(refusal(401, 'Sign in.'));
      lost = true;
      await route.fetch();
      await route.abort();
    });
    await publish('unheard');
    await page.getByRole('heading', { name: 'It was sent, but the answer was lost' }).waitFor();
    expect(await page.getByText('It was not published').count()).toBe(0);
    await page.unrouteAll();
    await page.getByRole('link', { name: 'Look' }).click();
    await page.getByRole('heading', { level: 1, name: 'Sentiment label' }).first().waitFor();
    await page.getByRole('link', { name: '1', exact: true }).waitFor();

    // It is taken, and what the gate says of it cannot be heard.
    await page.route(completing, async (route) => {
      const answer = await route.fetch();
      const taken = await answer.json();
      await route.fulfill({
        response: answer,
        json: { ...taken, version: { ...taken.version, status: 'pending' } },
      });
    });
    await page.route('**/api/adapters/dora/unjudged/versions/1', (route) =>
      route.fulfill(refusal(401, 'Sign in.')),
    );
    await publish('unjudged');
    await page.getByRole('heading', { name: 'dora/unjudged@1 was sent, and is being verified' }).waitFor();
    await page.getByRole('alert').getByText('Your session is over.').waitFor();
    await page.unrouteAll();
    complaints.length = 0; // the browser says what was refused and lost
    await page.close();
  });

  it('finds work again that was asked for before a reload, and asks before a job is cancelled', async () => {
    const page = await opened('/adapters/dora/moods/files');
    await page.getByRole('button', { name: 'Merge it' }).click();
    await page.waitForURL(/\?task=/);
    let cut = 0;
    await page.route('**/api/tasks/*', (route) => (cut++ === 0 ? route.abort() : route.continue()));
    await page.reload();
    await page.getByRole('table', { name: 'Merged files' }).waitFor({ timeout: 120_000 });
    expect(cut).toBeGreaterThan(1);
    complaints.length = 0; // the browser says that the line broke
    await page.unrouteAll();

    await page.goto(`${server.url}/train`, { waitUntil: 'networkidle' });
    await page.locator('input[type=file]').setInputFiles(join(seedFolder, 'adapters/sentiment/eval.jsonl'));
    await page.getByLabel('Name').fill('dropped');
    await page.getByLabel('Who may see it').selectOption('private');
    await page.getByText('for those who work on it alone.').waitFor();
    await page.getByRole('button', { name: 'Start training' }).click();
    await page.waitForURL('**/jobs/ftjob-*');
    await page.getByRole('button', { name: 'Cancel', exact: true }).click();
    await page.getByRole('alertdialog').getByRole('button', { name: 'Cancel it' }).click();
    await page.getByText('cancelled', { exact: true }).first().waitFor();
    await page.close();
  });

  it('lists one’s jobs, tasks and files, also to whom runs no script, and cancels and deletes', async () => {
    const plain = await browser.newContext({
      javaScriptEnabled: false,
      storageState: await context.storageState(),
    });
    const read = await opened('/tasks', plain);
    const nav = read.getByRole('banner').getByRole('link', { name: 'Your work' });
    expect(await nav.getAttribute('aria-current')).toBe('page');
    const merge = read.getByRole('row', { name: /dora\/moods@2/ });
    await merge.getByText('succeeded').waitFor();
    await merge.getByText(/^\d+ files, /).click();
    const config = await merge.getByRole('link', { name: 'config.json', exact: true }).getAttribute('href');
    const fetched = await plain.request.get(server.url + config);
    expect(await fetched.json()).toMatchObject({ model_type: 'llama' });
    await read.getByRole('link', { name: 'Training jobs' }).click();
    await read
      .getByRole('row', { name: /dora\/trained@\d/ })
      .getByText('succeeded')
      .waitFor();
    await read
      .getByRole('row', { name: /dora\/dropped/ })
      .getByText('cancelled')
      .waitFor();
    await read.getByRole('link', { name: 'Files', exact: true }).click();
    expect(await read.getByRole('link', { name: 'eval.jsonl' }).count()).toBe(2);
    await plain.close();

    const page = await opened('/files');
    await page.getByRole('button', { name: 'Delete eval.jsonl' }).first().click();
    await page.getByRole('alertdialog').getByRole('button', { name: 'Delete it' }).click();
    await expect.poll(() => page.getByRole('link', { name: 'eval.jsonl' }).count()).toBe(1);

    // Where nothing takes it from the queue meanwhile, and there is more than one page.
    const task = (i: number, more: object) => ({
      id: `task-${i}`,
      function: 'evaluate',
      model: `dora/moods@${i}`,
      base: 'patchbay/tiny',
      versions: [{ version: `dora/moods@${i}`, weight: 1 }],
      file: null,
      status: 'running',
      progress: { what: 'rows', done: 3, total: 9 },
      result: null,
      filesExpireAt: null,
      error: null,
      createdAt: '2026-11-01T00:00:00Z',
      startedAt: null,
      finishedAt: null,
      ...more,
    });
    let isCancelled = false;
    await page.route(/\/api\/tasks\?/, (route) => {
      const first = isCancelled ? { status: 'cancelled', progress: null } : {};
      const isSecond = route.request().url().includes('after=task-1');
      const answer = isSecond
        ? {
            tasks: [task(2, { status: 'failed', error: { code: 'any', message: 'No such row.' } })],
            next: null,
          }
        : { tasks: [task(1, first)], next: 'task-1' };
      return route.fulfill({ json: answer });
    });
    await page.route('**/api/tasks/task-1/cancel', (route) => {
      isCancelled = true;
      return route.fulfill({ json: task(1, { status: 'cancelled' }) });
    });
    await page.getByRole('link', { name: 'Tasks' }).click();
    const row = page.getByRole('row', { name: /dora\/moods@1/ });
    await row.getByText('rows: 3 of 9').waitFor();
    await row.getByRole('button', { name: /^Cancel/ }).click();
    await row.getByText('cancelled').waitFor();
    await page.getByRole('link', { name: 'Next page' }).click();
    await page.getByText('No such row.').waitFor();
    await page.getByRole('link', { name: 'First page' }).click();
    await row.waitFor();
    await page.close();
  });

  it('knows an organisation as soon as it is made, and hides what is published under it', async () => {
    const page = await opened('/settings/organisations');
    await page.getByLabel('Make an organisation').fill('crew');
    await page.getByRole('button', { name: 'Make it' }).click();
    await page.getByRole('link', { name: 'crew' }).click();
    await page.getByRole('heading', { name: 'Members' }).waitFor();
    await page.getByRole('link', { name: 'Publish', exact: true }).click();
    await page.getByRole('heading', { name: 'Publish an adapter' }).waitFor();
    await expect.poll(() => page.evaluate(() => document.activeElement?.id)).toBe('main');
    await page.locator('input[type=file]').setInputFiles(await filesOf(adapterFolder));
    await page.getByLabel('Under').selectOption('crew');
    await page.getByLabel('Name').fill('secret');
    await page.getByLabel('Who may see it').selectOption('private');
    await page.getByRole('button', { name: 'Publish' }).click();
    await page.getByRole('heading', { name: 'crew/secret@1 is listed' }).waitFor({ timeout: 120_000 });
    const stranger = await fetch(`${server.url}/api/adapters/crew/secret`);
    expect(stranger.status).toBe(404);
    await page.close();
  });

  it('says how to go on where a name is to be private that everybody sees, and sends nothing', async () => {
    const page = await opened('/publish');
    const sent: string[] = [];
    page.on('request', (request) => request.method() !== 'GET' && sent.push(request.url()));
    await page.locator('input[type=file]').setInputFiles(await filesOf(adapterFolder));
    await page.getByLabel('Name').fill('moods');
    await page.getByLabel('Who may see it').selectOption('private');
    await page.getByRole('button', { name: 'Publish' }).click();
    const said = page.getByRole('alert').getByText(/^Everybody sees dora\/moods already/);
    await said.waitFor();

    await page.goto(`${server.url}/train`, { waitUntil: 'networkidle' });
    await page.locator('input[type=file]').setInputFiles(join(seedFolder, 'adapters/sentiment/eval.jsonl'));
    await page.getByLabel('Name').fill('moods');
    await page.getByLabel('Who may see it').selectOption('private');
    await page.getByRole('button', { name: 'Start training' }).click();
    await said.waitFor();
    expect(sent).toEqual([]);
    await page.getByRole('link', { name: 'make it private in its settings' }).click();
    await page.waitForURL('**/adapters/dora/moods/manage');
    await page.getByLabel('Who may have its weights and answers').waitFor();
    await expect.poll(() => page.getByLabel('Who may see it').inputValue()).toBe('public');
    await page.close();
  });

  it('refuses a folder that does not fit before it sends anything', async () => {
    const page = await opened('/publish');
    const sent: string[] = [];
    page.on('request', (request) => request.method() !== 'GET' && sent.push(request.url()));
    const config = JSON.parse(await readFile(join(adapterFolder, 'adapter_config.json'), 'utf8'));
    const file = (name: string, content: Buffer) => ({
      name,
      mimeType: 'application/octet-stream',
      buffer: content,
    });
    const weights = await readFile(join(adapterFolder, 'adapter_model.safetensors'));
    await page
      .locator('input[type=file]')
      .setInputFiles([
        file('adapter_config.json', Buffer.from(JSON.stringify({ ...config, r: 3, rank_pattern: {} }))),
        file('adapter_model.safetensors', weights),
      ]);
    await page.getByRole('alert').getByText(/rank/).first().waitFor();
    expect(await page.getByRole('button', { name: 'Publish' }).isDisabled()).toBe(true);
    await page.locator('input[type=file]').setInputFiles([file('adapter_model.bin', Buffer.from('pickle'))]);
    await page.getByText('adapter_model.bin is a pickle').waitFor();
    expect(sent).toEqual([]);
    await page.close();
  });

  it('shows a hostile card and a hostile answer as what they are: text', async () => {
    const hostile =
      '---\ntitle: "<img src=x onerror=hacked=1>"\n---\n# <script>window.hacked = 1</script>\n' +
      '<iframe srcdoc="<script>parent.hacked=1</script>"></iframe><img src=x onerror="hacked=1"> [go](javascript:hacked=1) ![x](data:text/html,x)\n';
    const page = await opened('/publish');
    await page
      .locator('input[type=file]')
      .setInputFiles([
        ...(await contentsOf(adapterFolder)).filter(({ name }) => /^adapter_/.test(name)),
        { name: 'README.md', mimeType: 'text/markdown', buffer: Buffer.from(hostile) },
      ]);
    await page.getByLabel('Name').fill('hostile');
    await page.getByRole('button', { name: 'Publish' }).click();
    await page.getByRole('heading', { name: 'dora/hostile@1 is listed' }).waitFor({ timeout: 120_000 });
    const hacked = () => page.evaluate(() => 'hacked' in window);
    for (const path of ['/adapters/dora/hostile', '/?q=hostile', '/people/dora']) {
      await page.goto(server.url + path, { waitUntil: 'networkidle' });
      expect(await hacked()).toBe(false);
      expect(await page.locator('main iframe, main script, main a[href^=javascript]').count()).toBe(0);
    }
    const chunk = (content: string) =>
      `data: ${JSON.stringify({ id: 'x', object: 'chat.completion.chunk', created: 0, model: 'm', choices: [{ index: 0, delta: { content }, finish_reason: null }] })}\n\n`;
    await page.route('**/v1/chat/completions', (route) =>
      route.fulfill({
        contentType: 'text/event-stream',
        body: `${chunk('<img src=x onerror=hacked=1><script>hacked=1</script>')}data: [DONE]\n\n`,
      }),
    );
    await page.goto(`${server.url}/playground`, { waitUntil: 'networkidle' });
    await page.getByLabel('Prompt').fill('Attack.');
    await page.keyboard.press('Enter');
    await page.locator('article').getByText('<img src=x onerror=hacked=1>').first().waitFor();
    expect(await hacked()).toBe(false);
    await page.close();
  });

  it('says so when an adapter is gone, a server is slow or away, and a session has ended', async () => {
    const page = await opened('/adapters/dora/hostile');
    await page.getByRole('link', { name: 'Manage' }).click();
    await page.getByRole('button', { name: 'Withdraw version 1' }).click();
    await page.getByRole('alertdialog').getByRole('button', { name: 'Withdraw it' }).click();
    await page.getByRole('cell', { name: 'withdrawn' }).waitFor();
    const stranger = await opened('/', await browser.newContext());
    complaints.length = 0;
    const gone = await stranger.goto(`${server.url}/adapters/dora/hostile`);
    expect(gone?.status()).toBe(404);
    await stranger.getByRole('heading', { name: 'There is nothing here' }).waitFor();
    await stranger.getByRole('main').getByRole('link', { name: 'Sign in' }).click(); // it may be their own, and private
    await stranger.waitForURL('**/sign-in?to=%2Fadapters%2Fdora%2Fhostile');
    await stranger.context().close();

    await page.route('**/api/adapters?*', async (route) => {
      await new Promise((resolve) => setTimeout(resolve, 1_500));
      await route.continue();
    });
    await page.getByRole('link', { name: 'Browse' }).click();
    await page.locator('header .animate-pulse').waitFor(); // something goes on
    await page.getByRole('article').first().waitFor();
    await page.unrouteAll();
    await page.route('**/api/adapters/**', (route) => route.abort());
    await page.getByRole('article').first().getByRole('link').click();
    await page.getByRole('heading', { name: 'That did not work' }).waitFor();
    await page.unrouteAll();

    const ended = await browser.newContext({ storageState: await context.storageState() });
    const left = await opened('/', ended);
    await ended.clearCookies();
    await left.getByRole('link', { name: 'dora', exact: true }).click();
    await left.waitForURL('**/sign-in?to=%2Fsettings');
    await ended.close();
    complaints.length = 0;
    await page.close();
  });

  it('is walked through with the keyboard alone', async () => {
    const page = await opened('/');
    const focused = () => page.evaluate(() => document.activeElement?.textContent?.trim() ?? '');
    /** Tab by tab, as somebody does who sees where the focus is. */
    const tabTo = async (what: RegExp, key = 'Tab') => {
      for (let i = 0; i < 80; i++) {
        await page.keyboard.press(key);
        const label = await page.evaluate(() => document.activeElement?.getAttribute('aria-label') ?? '');
        if (what.test(label || (await focused()))) return;
      }
      throw new Error(`no Tab leads to ${what}`);
    };
    await page.keyboard.press('Tab');
    expect(await focused()).toBe('Skip to the content');
    await page.keyboard.press('Enter');
    await tabTo(/^Search adapters$/);
    await page.keyboard.type('sentiment');
    await page.waitForURL('**q=sentiment');
    const first = page.getByRole('article').first().getByRole('link');
    await expect.poll(() => first.textContent()).toBe('Sentiment label');
    await tabTo(/^Sentiment label/);
    const outline = await page.evaluate(() => getComputedStyle(document.activeElement!).outlineStyle);
    expect(outline).not.toBe('none');
    await page.keyboard.press('Enter');
    await page.waitForURL('**/adapters/**');
    await tabTo(/^Prompt$/);
    await page.keyboard.type(REVIEW);
    await page.keyboard.press('Enter');
    await page.locator('figure').getByText('negative').waitFor();
    await tabTo(/^Versions$/, 'Shift+Tab');
    await page.keyboard.press('Enter');
    await page.waitForURL('**/versions');
    await page.goto(`${server.url}/adapters/dora/moods/manage`, { waitUntil: 'networkidle' });
    await tabTo(/^Withdraw version 1$/);
    await page.keyboard.press('Enter');
    await page.getByRole('alertdialog').waitFor();
    await page.keyboard.press('Escape'); // the focus goes back to where it was
    await expect.poll(focused).toBe('Withdraw');
    await page.close();
  });

  it('has no page that a screen reader, a dark screen or a phone stumbles over', async () => {
    const pages = [
      '/',
      '/?q=xyzzy',
      '/adapters/dora/moods',
      '/adapters/dora/moods/verification',
      '/adapters/dora/moods/versions',
      '/adapters/dora/trained/versions',
      '/adapters/dora/moods/files',
      '/adapters/dora/moods/use',
      '/adapters/dora/moods/manage',
      '/playground',
      '/publish',
      '/train',
      '/jobs',
      '/tasks',
      '/files',
      '/settings',
      '/settings/organisations',
      '/settings/usage',
      '/settings/webhooks',
      '/settings/audit',
      '/settings/password',
      '/bases',
      '/bases/patchbay/tiny',
      '/people/dora',
      '/leaderboard',
      '/operator',
      '/sign-in',
      '/sign-in?new',
      '/nothing/is/here',
    ];
    const page = await context.newPage();
    for (const path of pages) {
      await page.setViewportSize({ width: 1280, height: 800 });
      await page.emulateMedia({ colorScheme: 'light' });
      await page.goto(server.url + path, { waitUntil: 'networkidle' });
      expect.soft(await violationsOf(page), path).toEqual([]);
      await page.emulateMedia({ colorScheme: 'dark' });
      await page.setViewportSize({ width: 390, height: 800 });
      expect.soft(await violationsOf(page, 'color-contrast'), `${path}, dark`).toEqual([]);
      const width = await page.evaluate(() => document.documentElement.scrollWidth);
      expect.soft(width, `${path} on a phone`).toBeLessThanOrEqual(390);
    }
    await page.close();
  });
});
