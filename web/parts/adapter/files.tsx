/** Files of a version, and what is in the weights. */
import { useState } from 'react';
import type { SafetensorsHeader } from '../../../adapter/safetensors.ts';
import { useViewer } from '../../layout.tsx';
import type { Shown } from '../../pages/adapter.tsx';
import { CopyButton } from '../copy-button.tsx';
import { bytes, count } from '../format.ts';
import { Scroll } from '../scroll.tsx';
import { Merged } from './merged.tsx';

const WEIGHTS = 'adapter_model.safetensors';

export function Files({ adapter, version: { number, reference, status, files } }: Shown) {
  const viewer = useViewer();
  const urlOf = (path: string) => `/api/adapters/${adapter.id}/versions/${number}/files/${path}`;
  const weights = files.find(({ path }) => path === WEIGHTS);
  return (
    <div className="flex flex-col gap-6">
      <Scroll label="Files">
        <table className="table">
          <thead>
            <tr>
              <th scope="col">File</th>
              <th scope="col">Size</th>
              <th scope="col">sha256</th>
            </tr>
          </thead>
          <tbody>
            {files.map(({ path, size, sha256 }) => (
              <tr key={path}>
                <th scope="row">
                  <a className="link" href={urlOf(path)} download>
                    {path}
                  </a>
                </th>
                <td className="whitespace-nowrap">{bytes(size)}</td>
                <td>
                  <span className="flex items-center gap-2 font-mono text-xs">
                    <span className="min-w-40 break-all">{sha256}</span>
                    <CopyButton text={sha256} what={`the digest of ${path}`} />
                  </span>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
      {viewer && status === 'passed' && <Merged key={reference} reference={reference} />}
      {weights && <Header key={number} url={urlOf(WEIGHTS)} size={weights.size} />}
    </div>
  );
}

/** Reads the first bytes alone, with the code that the publish gate reads them with. */
function Header({ url, size }: { url: string; size: number }) {
  const [header, setHeader] = useState<SafetensorsHeader | string>();
  const read = async (offset: number, length: number) => {
    const response = await fetch(url, { headers: { range: `bytes=${offset}-${offset + length - 1}` } });
    if (response.status !== 206) throw new Error(`The server answered ${response.status}.`);
    return new Uint8Array(await response.arrayBuffer());
  };
  const open = async () => {
    const { readHeader } = await import('../../../adapter/safetensors.ts');
    await readHeader(read, size).then(setHeader, (error: Error) => setHeader(error.message));
  };
  if (typeof header === 'object') return <Tensors header={header} />;
  return (
    <p>
      <button type="button" className="button" onClick={open}>
        Look into {WEIGHTS}
      </button>
      {header && (
        <span role="alert" className="ml-3 text-bad">
          {header}
        </span>
      )}
    </p>
  );
}

function Tensors({ header: { tensors, metadata } }: { header: SafetensorsHeader }) {
  return (
    <section>
      <h2 className="mb-2">{count(tensors.length)} tensors</h2>
      {Object.entries(metadata).map(([name, value]) => (
        <p key={name} className="text-sm">
          <span className="text-quiet">{name}</span> {value}
        </p>
      ))}
      <Scroll label="Tensors" className="panel max-h-128">
        <table className="table">
          <thead className="sticky top-0 bg-raised">
            <tr>
              <th scope="col">Name</th>
              <th scope="col">Shape</th>
              <th scope="col">Type</th>
              <th scope="col">Bytes</th>
            </tr>
          </thead>
          <tbody>
            {tensors.map(({ name, shape, dtype, begin, end }) => (
              <tr key={name}>
                <th scope="row" className="font-mono text-xs">
                  {name}
                </th>
                <td className="whitespace-nowrap">{shape.join(' × ')}</td>
                <td>{dtype}</td>
                <td>{bytes(end - begin)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </section>
  );
}
