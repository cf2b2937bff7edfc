/** Where an adapter acts on its base, and how its change to each matrix is spread over directions: singular values of BA. */
import type { Schemas } from '../api.ts';
import { Scroll } from './scroll.tsx';

type Module = NonNullable<NonNullable<Schemas['Verification']>['findings']>['spectrum'][number];

const BARS_WIDTH = 128;
const BARS_HEIGHT = 24;
const CELL = 26;
const NAMES = 84;

const strength = ({ singularValues }: Module): number => singularValues[0] ?? 0;

export function Spectrum({ modules, advice }: { modules: readonly Module[]; advice: readonly string[] }) {
  return (
    <section>
      <h2 className="mb-1">Spectrum</h2>
      <p className="mb-3 max-w-prose text-quiet">
        What the adapter adds to each matrix, by its singular values. Where they fall fast, a smaller rank
        would do.
      </p>
      {advice.length > 0 && (
        <ul className="mb-4 flex max-w-prose flex-col gap-1">
          {advice.map((line) => (
            <li key={line} className="border-l-2 border-accent pl-3">
              {line}
            </li>
          ))}
        </ul>
      )}
      <div className="grid grid-cols-1 gap-4 xl:grid-cols-[auto_minmax(0,1fr)] xl:items-start">
        <HeatMap modules={modules} />
        <Values modules={modules} />
      </div>
    </section>
  );
}

const PLACE = /(\d+)\.(?:.*\.)?([^.]+)$/;

/** One cell a matrix: layers from left to right, the darker the stronger. */
function HeatMap({ modules }: { modules: readonly Module[] }) {
  const placed = modules.flatMap((module) => {
    const [, layer, kind] = PLACE.exec(module.module) ?? [];
    return layer && kind ? [{ layer: Number(layer), kind, module }] : [];
  });
  if (placed.length === 0) return null;
  const kinds = [...new Set(placed.map(({ kind }) => kind))].sort();
  const layers = Math.max(...placed.map(({ layer }) => layer)) + 1;
  const top = Math.max(...modules.map(strength));
  const [width, height] = [NAMES + layers * CELL, kinds.length * CELL + 18];
  return (
    <Scroll label="Strength by layer" className="panel p-4">
      <p className="mb-3 text-sm font-medium">Largest singular value, by layer</p>
      <svg
        width={width}
        height={height}
        role="img"
        aria-label={`${kinds.length} kinds of matrices in ${layers} layers; the strongest is ${modules.toSorted((a, b) => strength(b) - strength(a))[0]!.module}`}
      >
        {kinds.map((kind, row) => (
          <text key={kind} x={0} y={row * CELL + 17} className="fill-quiet text-[11px]">
            {kind}
          </text>
        ))}
        {placed.map(({ layer, kind, module }) => (
          <rect
            key={module.module}
            x={NAMES + layer * CELL}
            y={kinds.indexOf(kind) * CELL}
            width={CELL - 2}
            height={CELL - 2}
            rx={3}
            className="fill-accent"
            fillOpacity={0.06 + 0.94 * (strength(module) / top)}
          >
            <title>{`${module.module}: ${strength(module).toFixed(3)}`}</title>
          </rect>
        ))}
        {Array.from({ length: layers }, (_, layer) => layer)
          .filter((layer) => layer % Math.ceil(layers / 12) === 0)
          .map((layer) => (
            <text
              key={layer}
              x={NAMES + layer * CELL + CELL / 2 - 1}
              y={height - 3}
              textAnchor="middle"
              className="fill-quiet text-[11px]"
            >
              {layer}
            </text>
          ))}
      </svg>
    </Scroll>
  );
}

function Values({ modules }: { modules: readonly Module[] }) {
  return (
    <Scroll label="Spectrum of each matrix" className="panel max-h-112">
      <table className="table">
        <thead className="sticky top-0 bg-raised">
          <tr>
            <th scope="col">Matrix</th>
            <th scope="col">Singular values</th>
            <th scope="col">Largest</th>
            <th scope="col" title="Rank as it was trained">
              Rank
            </th>
            <th scope="col" title="Directions that it makes use of">
              Effective
            </th>
            <th scope="col" title="Rank that keeps 99% of the change">
              For 99%
            </th>
            <th scope="col" title="How much stronger than in the base its directions become">
              Amplified
            </th>
          </tr>
        </thead>
        <tbody>
          {modules.map((module) => (
            <tr key={module.module}>
              <th scope="row" className="font-mono text-xs whitespace-nowrap">
                {module.module.replace(/^model\./, '')}
              </th>
              <td>
                <Bars values={module.singularValues} />
              </td>
              <td className="tabular-nums">{strength(module).toPrecision(3)}</td>
              <td className="tabular-nums">{module.rank}</td>
              <td className="tabular-nums">{module.effectiveRank.toFixed(1)}</td>
              <td className="tabular-nums">{module.rankFor99}</td>
              <td className="tabular-nums">
                {module.amplification === null ? '' : `${module.amplification.toFixed(1)}×`}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

/** Each matrix on its own scale: the column beside it says how strong the first is. */
function Bars({ values }: { values: readonly number[] }) {
  const step = BARS_WIDTH / Math.max(8, values.length);
  const top = values[0] || 1;
  return (
    <svg width={BARS_WIDTH} height={BARS_HEIGHT} aria-hidden className="fill-accent">
      {values.map((value, i) => {
        const height = Math.max(1, (value / top) * BARS_HEIGHT);
        return (
          <rect
            // biome-ignore lint/suspicious/noArrayIndexKey: its place is what it is
            key={i}
            x={i * step}
            y={BARS_HEIGHT - height}
            width={Math.max(1, step - 2)}
            height={height}
          />
        );
      })}
    </svg>
  );
}
