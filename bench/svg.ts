/** Plots as files of the documentation. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import { note } from './measure.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

/** @param path from the repository's root */
export async function drawPlot(path: string, options: Plot.PlotOptions): Promise<void> {
  const { document } = parseHTML('<html><body></body></html>');
  const plot = Plot.plot({ document, width: 640, height: 320, style: { background: 'white' }, ...options });
  if (plot.localName !== 'svg') throw new Error('a title or a legend makes more than a picture of it');
  plot.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  await writeFile(join(root, path), `${plot.outerHTML}\n`);
  note(`${path} is drawn anew`);
}
