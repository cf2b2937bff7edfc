import type { ReactNode } from 'react';
import { Scroll } from './scroll.tsx';

/** @param head what stands above the columns; a column of buttons is named for those who cannot see them */
export function Table({
  head,
  label,
  children,
}: {
  head: readonly string[];
  label: string;
  children: ReactNode;
}) {
  return (
    <Scroll label={label} className="relative">
      <table className="table" aria-label={label}>
        <thead>
          <tr>
            {head.map((name) => (
              <th key={name} scope="col">
                {name === 'Actions' ? <span className="sr-only">{name}</span> : name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </Scroll>
  );
}
