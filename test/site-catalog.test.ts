/** A catalog of five thousand adapters in a real browser: what it shows, and that paging through it is steady while others publish. */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSite } from '../api/embedded/site.ts';
import { recountLabels } from '../db/catalog.ts';
import { labelsOf } from '../db/catalog-labels.ts';
import { adapters } from '../db/schema.ts';
import { chromiumPath, openBrowser } from './browser.ts';
import { baseId, InProcess } from './in-process.ts';

const COUNT = 5_000;
const AT_ONCE = 500;
const DAY_MS = 86_400_000;
const TASKS = ['text2sql', 'summarization', 'translation', 'text-classification'];
/** As long as a name may be, and without a place to break it. */
const LONG = 'a'.repeat(64);

const rowOf = (i: number) => {
  const [owner, name] = [i === 0 ? LONG : `owner${i % 97}`, i === 0 ? LONG : `adapter-${i}`];
  const facts = {
    id: `${owner}/${name}`,
    owner,
    name,
    baseId,
    title: i === 0 ? LONG : `Adapter ${i}`,
    summary: `Does the job number ${i}.`,
    task: TASKS[i % TASKS.length]!,
    license: 'apache-2.0',
    languages: ['en'],
    tags: [`tag-${i % 11}`],
    rank: [4, 8, 16][i % 3]!,
    size: 100_000 + i,
    parameters: 10_000,
  };
  return {
    ...facts,
    latest: 1,
    evalGain: i % 5 === 0 ? null : i / COUNT,
    namesText: `${facts.id} ${facts.title}`,
    searchText: `${facts.id} ${facts.title} ${facts.summary} ${facts.task}`,
    labels: labelsOf(facts, undefined),
    createdAt: new Date(Date.now() - i * DAY_MS),
    updatedAt: new Date(Date.now() - i * DAY_MS),
  };
};

let api: InProcess;
let browser: Browser;
let url: string;

const ids = (page: Page) =>
  page.locator('article h2 a').evaluateAll((links) => links.map((a) => a.getAttribute('href')));

describe.skipIf(!chromiumPath)('a catalog of five thousand', () => {
  beforeAll(async () => {
    api = await InProcess.open(undefined, { site: await openSite() });
    for (let i = 0; i < COUNT; i += AT_ONCE)
      await api.deps.db.insert(adapters).values(Array.from({ length: AT_ONCE }, (_, j) => rowOf(i + j)));
    await recountLabels(api.deps.db);
    url = await api.listen();
    browser = await openBrowser();
  });
  afterAll(async () => {
    await browser?.close();
    await api?.close();
  });

  it('is counted, filtered and sorted', async () => {
    const page = await browser.newPage();
    await page.goto(url);
    await page.getByText('5,000 adapters').waitFor();
    await page
      .getByRole('link', { name: /^translation/ })
      .first()
      .click();
    await page.getByText('more than 1,000 adapters').waitFor();
    await page.getByLabel('Order').selectOption('gain');
    await page.waitForURL('**sort=gain**');
    expect(new URL(page.url()).searchParams.get('task')).toBe('translation');
    await page.locator('article').first().getByText('+1.00').waitFor();
    const shared = await ids(page);
    const elsewhere = await browser.newPage();
    await elsewhere.goto(page.url());
    expect(await ids(elsewhere)).toEqual(shared);
    await elsewhere.close();
    await page.close();
  });

  it('shows what else there is to choose from, without a script too', async () => {
    const plain = await browser.newContext({ javaScriptEnabled: false });
    for (const width of [1280, 390]) {
      const page = await plain.newPage();
      await page.setViewportSize({ width, height: 900 });
      await page.goto(url);
      if (width === 390) await page.getByText('Filters', { exact: true }).click();
      const tags = page.getByRole('region', { name: 'Tag' });
      expect(await tags.getByRole('link').count()).toBe(8); // what is hidden has no role
      await tags.getByText('3 more').click();
      expect(await tags.getByRole('link').count()).toBe(11);
      await tags.getByRole('link').last().click();
      await page.waitForURL('**tag=tag-*');
      if (width === 390) await page.getByText('Filters', { exact: true }).click();
      await page
        .getByRole('region', { name: 'Tag' })
        .getByRole('link', { name: /chosen/ })
        .waitFor();
      await page.close();
    }
    await plain.close();
  });

  it('is paged through without a gap or a repetition, though others publish meanwhile', async () => {
    const page = await browser.newPage();
    await page.goto(url);
    const seen = await ids(page);
    for (let i = 0; i < 4; i++) {
      await api.deps.db
        .insert(adapters)
        .values({ ...rowOf(COUNT + i), createdAt: new Date(), updatedAt: new Date() });
      const before = page.url();
      await page.getByRole('link', { name: 'Next page' }).click();
      await page.waitForURL((at) => at.href !== before);
      await page.locator(`article h2 a[href="${seen.at(-1)}"]`).waitFor({ state: 'detached' });
      seen.push(...(await ids(page)));
    }
    const expected = Array.from({ length: seen.length }, (_, i) => `/adapters/${rowOf(i).id}`);
    expect(seen).toEqual(expected);
    await page.goBack();
    await page.locator(`article h2 a[href="${expected[72]}"]`).waitFor();
    await page.close();
  });

  it('fits a phone, whatever the names', async () => {
    const page = await browser.newPage({ viewport: { width: 390, height: 800 } });
    await page.goto(url);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390);
    await page.getByText('Filters', { exact: true }).click();
    await page.getByRole('link', { name: /^text2sql/ }).click();
    await page.waitForURL('**task=text2sql');
    await page.close();
  });
});
