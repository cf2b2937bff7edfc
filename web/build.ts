/** `npm run build`: both parts of the site. */
import { fileURLToPath } from 'node:url';
import { build } from 'vite';

const configFile = fileURLToPath(new URL('./vite.config.ts', import.meta.url));
await build({ configFile, logLevel: 'warn' });
await build({
  configFile,
  logLevel: 'warn',
  build: { ssr: fileURLToPath(new URL('./entry-server.tsx', import.meta.url)) },
});
