/** Makes one module of the API and the site, as an edge runtime runs it: `npm run build:edge`. */
import { builtinModules } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';
import { esmExternalRequirePlugin } from 'rolldown/plugins';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const bundle = await rolldown({
  input: here('worker.ts'),
  platform: 'browser',
  resolve: {
    conditionNames: ['workerd', 'worker', 'browser'],
    mainFields: ['browser', 'module', 'main'],
    alias: {
      'site:pages': here('../../web/dist/server/entry-server.js'),
      'site:manifest': here('../../web/dist/client/.vite/manifest.json'),
    },
  },
  transform: {
    define: {
      'process.env.NODE_ENV': '"production"',
      // Where a module of Node's asks for it, it is for `createRequire`, which wants no more than a path.
      'import.meta.url': '"file:///worker.js"',
    },
  },
  external: [/^cloudflare:/],
  plugins: [
    {
      // What packages of Node's time call `crypto` is `node:crypto`.
      name: 'node-builtins',
      resolveId(id, importer, { kind }) {
        return builtinModules.includes(id)
          ? this.resolve(`node:${id}`, importer, { kind, skipSelf: true })
          : undefined;
      },
    },
    {
      // The browser's way to read S3's XML needs a DOM, which there is none of at the edge.
      name: 'xml-without-dom',
      resolveId(id, importer) {
        return id === './xml-parser' && importer ? join(dirname(importer), 'xml-parser.js') : undefined;
      },
    },
    esmExternalRequirePlugin({ external: [/^node:/] }),
  ],
});
const { output } = await bundle.write({
  file: here('dist/worker.js'),
  format: 'esm',
  minify: true,
  codeSplitting: false,
});
await bundle.close();
process.stdout.write(`${output.map(({ fileName }) => fileName)}\n`);
