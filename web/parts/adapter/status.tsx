/** What became of a version at the publish gate, and since. */
import type { Schemas } from '../../api.ts';

const STATUSES: Readonly<Record<Schemas['Version']['status'], readonly [said: string, look: string]>> = {
  passed: ['verified', 'border-good text-good'],
  pending: ['being verified', 'border-warn text-warn'],
  refused: ['refused by the publish gate', 'border-bad text-bad'],
  quarantined: ['quarantined', 'border-bad text-bad'],
  withdrawn: ['withdrawn', 'border-bad text-bad'],
};

export function Status({ status }: { status: Schemas['Version']['status'] }) {
  const [said, look] = STATUSES[status];
  return <span className={`chip ${look}`}>{said}</span>;
}
