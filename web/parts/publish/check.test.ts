import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { parseBaseConfig } from '../../../adapter/base-config.ts';
import { sampleAdapter, sampleConfig } from '../../../adapter/sample-adapter.ts';
import { checkFit, filesFor, readFolder } from './check.ts';

const fixture = new URL('../../../test/fixtures/parity/smollm2/config.json', import.meta.url);
const config: unknown = JSON.parse(await readFile(fixture, 'utf8'));
const base = { id: 'parity/smollm2', config };

it('publishes a configuration that names the base as it is called here', async () => {
  const { weights } = sampleAdapter(parseBaseConfig(config));
  const folder = await readFolder([
    new File([JSON.stringify(sampleConfig({ base_model_name_or_path: '/tmp/base' }))], 'adapter_config.json'),
    new File([weights], 'adapter_model.safetensors'),
  ]);
  expect(folder).toMatchObject({ base: '/tmp/base', problems: [] });
  expect(await checkFit(folder.files, base)).toEqual([expect.stringContaining('names the base "/tmp/base"')]);
  const files = await filesFor(folder.files, base.id);
  expect(await checkFit(files, base)).toEqual([]);
  expect([...files.keys()]).toEqual([...folder.files.keys()]);
  expect(JSON.parse(await files.get('adapter_config.json')!.text())).toEqual(
    sampleConfig({ base_model_name_or_path: base.id }),
  );
  expect(await filesFor(files, base.id)).toBe(files);
});
