/** Writes the dashboard for Grafana and the alerts for Prometheus beside this file. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { alertsYaml } from './alerts.ts';
import { dashboard } from './dashboard.ts';

export const FILES: Readonly<Record<string, () => string>> = {
  'patchbay.json': () => `${JSON.stringify(dashboard(), null, 2)}\n`,
  'alerts.yaml': alertsYaml,
};

if (import.meta.main)
  for (const [name, make] of Object.entries(FILES)) await writeFile(join(import.meta.dirname, name), make());
