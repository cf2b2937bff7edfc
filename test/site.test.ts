/** The site in a real browser, over a real server on an empty folder: what a new visitor does, from the first page on. */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
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

function listen(page: Page): Page {
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(`${page.url()}: ${message.text()}`);
  });
  page.on('pageerror', (error) => complaints.push(`${page.url()}: ${error.stack}`));
  return page;
}

async function opened(path: string, within = context): Promise<Page> {
  const page = listen(await within.newPage());
  await page.goto(server.url + path);
  return page;
}

describe.skipIf(!chromiumPath)('the site', { timeout: 180_000 }, () => {
  beforeAll(async () => {
    server = await TestServer.start();
    browser = await openBrowser();
    context = await browser.newContext();
  });
  afterAll(async () => {
    await browser?.close();
    await server?.remove();
  });

  it('shows the catalog and an adapter to whom runs no script', async () => {
    const plain = await browser.newContext({ javaScriptEnabled: false });
    const page = await opened('/?q=sentiment', plain);
    expect(await page.getByRole('article').count()).toBe(1);
    await page.getByRole('link', { name: 'Sentiment label' }).click();
    expect(await page.getByRole('heading', { level: 1 }).first().textContent()).toBe('Sentiment label');
    await page.getByRole('link', { name: 'Verification', exact: true }).click();
    expect(await page.getByRole('heading', { name: 'Beside its base' }).isVisible()).toBe(true);
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
    await page.waitForURL('**/publish');
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
    await third.getByLabel('Add an adapter').selectOption('patchbay/json');
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

  it('trains one while its curve grows, and takes it away', async () => {
    const page = await opened('/train');
    const rows = join(seedFolder, 'adapters/sentiment/eval.jsonl');
    await page.locator('input[type=file]').setInputFiles(rows);
    await page.getByText(/rows of messages/).waitFor();
    await page.getByLabel('Name').fill('trained');
    await page.getByLabel('Quick look').check();
    await page.getByText('Advanced').click();
    await page.getByLabel('Prompts to answer').fill(REVIEW);
    await page.getByRole('button', { name: 'Start training' }).click();
    await page.waitForURL('**/jobs/ftjob-*');
    await page.getByRole('img', { name: /^Loss/ }).waitFor({ timeout: 60_000 });
    await page.getByText('It made dora/trained').waitFor({ timeout: 120_000 });
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

  it('has no page that a screen reader or a keyboard stumbles over, light or dark', async () => {
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
      '/settings',
      '/settings/organisations',
      '/settings/usage',
      '/settings/webhooks',
      '/settings/audit',
      '/bases',
      '/bases/patchbay/tiny',
      '/people/dora',
      '/leaderboard',
      '/operator',
      '/sign-in',
      '/sign-in?new',
      '/nothing/is/here',
    ];
    for (const colorScheme of ['light', 'dark'] as const) {
      const page = await context.newPage();
      await page.emulateMedia({ colorScheme });
      for (const path of pages) {
        await page.goto(server.url + path, { waitUntil: 'networkidle' });
        expect.soft(await violationsOf(page), `${path}, ${colorScheme}`).toEqual([]);
      }
      await page.close();
    }
  });

  it('none of it made a browser complain', () => {
    expect(complaints).toEqual([]);
  });
});
