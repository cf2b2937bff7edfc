/** How an adapter's change to each matrix is spread over its directions: singular values of BA. */
import type { Schemas } from '../api.ts';
import { Scroll } from './scroll.tsx';

type Module = NonNullable<NonNullable<Schemas['Verification']>['findings']>['spectrum'][number];

const WIDTH = 160;
const HEIGHT = 28;

export function Spectrum({ modules, advice }: { modules: readonly Module[]; advice: readonly string[] }) {
  const top = Math.max(...modules.flatMap(({ singularValues }) => singularValues[0] ?? 0));
  return (
    <section>
      <h2 className="mb-1">Spectrum</h2>
      <p className="mb-2 max-w-prose text-quiet">
        Singular values of what the adapter adds to each matrix, largest first, on one scale. Where they fall
        fast, a smaller rank would do.
      </p>
      {advice.length > 0 && (
        <ul className="mb-3 list-disc pl-6">
          {advice.map((line) => (
            <li key={line}>{line}</li>
          ))}
        </ul>
      )}
      <Scroll label="Spectrum of each matrix" className="panel max-h-128">
        <table className="table">
          <thead className="sticky top-0 bg-raised">
            <tr>
              <th scope="col">Matrix</th>
              <th scope="col">Singular values</th>
              <th scope="col">Rank</th>
              <th scope="col">Effective</th>
              <th scope="col">For 99%</th>
              <th scope="col" title="How much stronger than in the base its directions become">
                Amplified
              </th>
            </tr>
          </thead>
          <tbody>
            {modules.map(({ module, rank, singularValues, effectiveRank, rankFor99, amplification }) => (
              <tr key={module}>
                <th scope="row" className="font-mono text-xs">
                  {module}
                </th>
                <td>
                  <Bars values={singularValues} top={top} />
                </td>
                <td className="tabular-nums">{rank}</td>
                <td className="tabular-nums">{effectiveRank.toFixed(1)}</td>
                <td className="tabular-nums">{rankFor99}</td>
                <td className="tabular-nums">
                  {amplification === null ? '' : `${amplification.toFixed(1)}×`}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </section>
  );
}

function Bars({ values, top }: { values: readonly number[]; top: number }) {
  const step = Math.min(8, WIDTH / values.length);
  return (
    <svg
      width={WIDTH}
      height={HEIGHT}
      className="text-accent"
      role="img"
      aria-label={`from ${values[0]} to ${values.at(-1)}`}
    >
      {values.map((value, i) => {
        const height = Math.max(1, (value / top) * HEIGHT);
        return (
          <rect
            // biome-ignore lint/suspicious/noArrayIndexKey: its place is what it is
            key={i}
            x={i * step}
            y={HEIGHT - height}
            width={step - 1}
            height={height}
            fill="currentColor"
          />
        );
      })}
    </svg>
  );
}
