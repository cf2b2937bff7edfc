/** Values with their intervals on one scale, as a table whose last column draws them. */
const WIDTH = 240;
const HEIGHT = 16;
const EDGE = 5;

export function Ranges({
  title,
  from,
  to,
  format,
  rows,
}: {
  title: string;
  from: number;
  to: number;
  format: (value: number) => string;
  rows: readonly { label: string; value: number; low: number; high: number }[];
}) {
  const x = (value: number) => EDGE + ((value - from) / (to - from)) * (WIDTH - 2 * EDGE);
  return (
    <div className="overflow-x-auto">
      <table className="table w-auto!">
        <caption className="pb-1 text-left text-sm font-medium">{title}</caption>
        <tbody>
          {rows.map(({ label, value, low, high }) => (
            <tr key={label}>
              <th scope="row">{label}</th>
              <td className="text-right font-semibold tabular-nums">{format(value)}</td>
              <td className="text-quiet tabular-nums">
                {format(low)} to {format(high)}
              </td>
              <td>
                <svg width={WIDTH} height={HEIGHT} aria-hidden className="text-accent">
                  <line x1={x(from)} x2={x(to)} y1={8} y2={8} stroke="var(--color-line)" />
                  <line x1={x(low)} x2={x(high)} y1={8} y2={8} stroke="currentColor" strokeWidth={4} />
                  <circle cx={x(value)} cy={8} r={5} fill="currentColor" />
                </svg>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
