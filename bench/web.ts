/**
 * The site in Chromium, on embedded defaults: Lighthouse's verdict on the catalog and on an adapter's page (as a phone on a slow line,
 * which is its default), first paint and script without any throttling, how long an answer's first token takes from the network to the
 * page, and the frames of a training page with 10,000 points.
 */
import lighthouse from 'lighthouse';
import { type Browser, chromium, type Page } from 'playwright-core';
import { chromiumPath } from '../test/browser.ts';
import { TestServer } from '../test/harness.ts';
import { type Figure, median, note } from './measure.ts';

const PAGES = ['/', '/adapters/patchbay/sentiment'];
/** One column: what is measured is the way of one answer. */
const PLAYGROUND = '/playground?model=patchbay/tiny';
const DEBUG_PORT = 9333;
const ROUNDS = 5;
const STREAMS = 20;
const POINTS = 10_000;
const WATCHED_MS = 5_000;

interface Scores {
  readonly performance: number;
  readonly accessibility: number;
}

async function scores(url: string): Promise<Scores> {
  const result = await lighthouse(url, {
    port: DEBUG_PORT,
    onlyCategories: ['performance', 'accessibility'],
    logLevel: 'error',
  });
  const of = (name: string) => Math.round((result?.lhr.categories[name]?.score ?? 0) * 100);
  const found = { performance: of('performance'), accessibility: of('accessibility') };
  const audit = (name: string) => result?.lhr.audits[name]?.displayValue;
  note(
    `${new URL(url).pathname}: performance ${found.performance}, accessibility ${found.accessibility}; ` +
      `largest paint ${audit('largest-contentful-paint')}, shift ${audit('cumulative-layout-shift')}, blocked ${audit('total-blocking-time')}`,
  );
  return found;
}

/** A page that nobody has seen before. */
async function firstVisit(browser: Browser, url: string): Promise<{ paint: number; scriptBytes: number }> {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(url, { waitUntil: 'networkidle' });
  const seen = await page.evaluate(() => ({
    paint: performance.getEntriesByName('first-contentful-paint')[0]!.startTime,
    scriptBytes: (performance.getEntriesByType('resource') as PerformanceResourceTiming[])
      .filter(({ name }) => name.endsWith('.js'))
      .reduce((sum, { encodedBodySize }) => sum + encodedBodySize, 0),
  }));
  await context.close();
  return seen;
}

async function signUp(page: Page, url: string): Promise<void> {
  await page.goto(`${url}/sign-in?new&to=${encodeURIComponent(PLAYGROUND)}`);
  await page.getByLabel('Name').fill('bench');
  await page.getByLabel('E-mail').fill('bench@example.org');
  await page.getByLabel('Password').fill('a long enough password');
  await page.getByRole('button', { name: 'Make the account' }).click();
  await page.waitForURL(url + PLAYGROUND);
}

interface Timed {
  arrived?: number;
  shown?: number;
}

/** Milliseconds from the first token's arrival in the browser to the frame that shows it. */
async function streamOverhead(page: Page): Promise<number> {
  await page.addInitScript(() => {
    const timed: Timed = {};
    Object.assign(window, { timed });
    const fetched = window.fetch;
    window.fetch = async (...asked) => {
      const response = await fetched(...asked);
      if (!response.url.endsWith('/chat/completions')) return response;
      const watch = async () => {
        const reader = response.clone().body!.pipeThrough(new TextDecoderStream()).getReader();
        for (;;) {
          const { done, value } = await reader.read();
          if (done) return;
          if (/"content":"[^"]/.test(value)) timed.arrived ??= performance.now();
        }
      };
      void watch();
      return response;
    };
    const look = () => {
      const answers = document.querySelectorAll('article p.min-h-6');
      const text = answers[answers.length - 1]?.textContent ?? '';
      if (timed.arrived !== undefined && text !== '' && text !== '…') timed.shown ??= performance.now();
      requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  });
  const took: number[] = [];
  for (let i = 0; i < STREAMS; i++) {
    await page.goto(page.url(), { waitUntil: 'networkidle' });
    await page.getByLabel('Prompt').fill('Tell me a story about a lamp.');
    await page.keyboard.press('Enter');
    await page.getByText(/first token/).waitFor();
    const { arrived, shown } = await page.evaluate(() => (window as unknown as { timed: Timed }).timed);
    took.push(shown! - arrived!);
  }
  return median(took);
}

/** Frames a second of a job's page while a point a second comes to those that are there. */
async function trainingFrames(page: Page, url: string): Promise<number> {
  let last = POINTS;
  const event = (step: number) => ({
    id: `ftevent-${step}`,
    object: 'fine_tuning.job.event',
    created_at: 1_790_000_000,
    level: 'info',
    message: `Step ${step}`,
    type: 'metrics',
    data: {
      step,
      total_steps: POINTS * 2,
      train_loss: 2 / Math.sqrt(step),
      learning_rate: 1e-4,
      gradient_norm: 1,
      tokens_per_second: 5_000,
    },
  });
  const list = (data: object[], more: boolean) => ({ object: 'list', data, has_more: more });
  await page.route('**/v1/fine_tuning/jobs?*', (route) => route.fulfill({ json: list([], false) }));
  await page.route('**/v1/fine_tuning/jobs/job', (route) =>
    route.fulfill({
      json: {
        id: 'job',
        object: 'fine_tuning.job',
        status: 'running',
        model: 'patchbay/tiny',
        created_at: 0,
        trained_tokens: 0,
        fine_tuned_model: null,
        error: null,
      },
    }),
  );
  await page.route('**/v1/fine_tuning/jobs/job/checkpoints*', (route) =>
    route.fulfill({ json: list([], false) }),
  );
  await page.route('**/v1/fine_tuning/jobs/job/events*', (route) => {
    const query = new URL(route.request().url()).searchParams;
    const after = query.get('after');
    if (!after) last++;
    const newest = after ? Number(after.split('-')[1]) - 1 : last;
    const oldest = Math.max(1, newest - Number(query.get('limit')) + 1);
    const steps = Array.from({ length: newest - oldest + 1 }, (_, i) => newest - i);
    return route.fulfill({ json: list(steps.map(event), oldest > 1) });
  });
  await page.goto(`${url}/jobs/job`);
  await page.getByRole('img', { name: /^Loss/ }).waitFor();
  return page.evaluate(
    (watched) =>
      new Promise<number>((resolve) => {
        let frames = 0;
        const began = performance.now();
        const frame = () => {
          frames++;
          const ms = performance.now() - began;
          if (ms < watched) requestAnimationFrame(frame);
          else resolve((frames / ms) * 1000);
        };
        requestAnimationFrame(frame);
      }),
    WATCHED_MS,
  );
}

export async function run(): Promise<Figure[]> {
  if (!chromiumPath) throw new Error('There is no Chromium: `apt-get install chromium`.');
  const server = await TestServer.start();
  const browser = await chromium.launch({
    executablePath: chromiumPath,
    args: ['--no-sandbox', `--remote-debugging-port=${DEBUG_PORT}`],
  });
  try {
    const judged: Scores[] = [];
    for (const path of PAGES) judged.push(await scores(server.url + path));
    const visits = [];
    for (let round = 0; round < ROUNDS; round++)
      for (const path of PAGES) visits.push(await firstVisit(browser, server.url + path));
    const page = await (await browser.newContext()).newPage();
    await signUp(page, server.url);
    const overhead = await streamOverhead(page);
    const frames = await trainingFrames(page, server.url);
    return [
      {
        key: 'performance',
        value: Math.min(...judged.map(({ performance }) => performance)),
        unit: 'of 100',
      },
      {
        key: 'accessibility',
        value: Math.min(...judged.map(({ accessibility }) => accessibility)),
        unit: 'of 100',
      },
      { key: 'first_paint_ms', value: median(visits.map(({ paint }) => paint)), unit: 'ms' },
      {
        key: 'first_js_kb',
        value: Math.max(...visits.map(({ scriptBytes }) => scriptBytes)) / 1000,
        unit: 'kB',
      },
      { key: 'stream_overhead_ms', value: overhead, unit: 'ms' },
      { key: 'training_page_fps', value: frames, unit: 'frames/s' },
    ];
  } finally {
    await browser.close();
    await server.remove();
  }
}
