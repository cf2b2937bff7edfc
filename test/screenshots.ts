/**
 * Pictures of pages, to be looked at: `node test/screenshots.ts URL FOLDER [PATH...]`, narrow and wide, light and dark.
 * With PATCHBAY_COOKIE, as whoever is signed in by it.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { openBrowser } from './browser.ts';

const PAGES = ['/', '/?q=json', '/adapters/patchbay/sentiment', '/adapters/patchbay/sentiment/verification'];
const WIDTHS = { narrow: 390, wide: 1440 } as const;

const [url, folder = 'screenshots', ...paths] = process.argv.slice(2);
if (!url) throw new Error('usage: node test/screenshots.ts URL FOLDER [PATH...]');
await mkdir(folder, { recursive: true });
const browser = await openBrowser();
const cookie = process.env['PATCHBAY_COOKIE'];
for (const colorScheme of ['light', 'dark'] as const) {
  for (const [name, width] of Object.entries(WIDTHS)) {
    const page = await browser.newPage({ colorScheme, viewport: { width, height: 900 } });
    if (cookie) await page.setExtraHTTPHeaders({ cookie });
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) process.stderr.write(`${message.text()}\n`);
    });
    page.on('pageerror', (error) => process.stderr.write(`${error.stack}\n`));
    for (const path of paths.length > 0 ? paths : PAGES) {
      await page.goto(new URL(path, url).href, { waitUntil: 'networkidle' });
      const file = `${path.replaceAll(/[^a-z0-9]+/gi, '-').replaceAll(/^-|-$/g, '') || 'home'}-${name}-${colorScheme}.png`;
      await page.screenshot({ path: join(folder, file), fullPage: true });
      process.stdout.write(`${join(folder, file)}\n`);
    }
    await page.close();
  }
}
await browser.close();
