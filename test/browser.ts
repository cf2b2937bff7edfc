/** Chromium, as Debian has it. */
import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Where it is; undefined: there is none, and what needs it is skipped. */
export const chromiumPath: string | undefined =
  process.env['PATCHBAY_CHROMIUM'] ?? PLACES.find((place) => existsSync(place));

export function openBrowser(): Promise<Browser> {
  if (!chromiumPath)
    throw new Error('There is no Chromium: `apt-get install chromium`, or PATCHBAY_CHROMIUM=...');
  // Root may not use its sandbox, and what is opened is our own.
  return chromium.launch({ executablePath: chromiumPath, args: ['--no-sandbox'] });
}
