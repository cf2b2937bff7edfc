/** axe-core's rules of accessibility, on a page as it stands. */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { AxeResults } from 'axe-core';
import type { Page } from 'playwright-core';

const source = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** @param rule that one alone. @returns a line for each thing that is wrong */
export async function violationsOf(page: Page, rule?: string): Promise<string[]> {
  await page.evaluate(source); // the page's policy lets no script in; a debugger may
  const { violations } = (await page.evaluate(
    `axe.run(${JSON.stringify(rule ? { runOnly: [rule] } : {})})`,
  )) as AxeResults;
  return violations.flatMap(({ id, help, nodes }) =>
    nodes.map(({ html }) => `${id}: ${help}: ${html.slice(0, 200)}`),
  );
}
