/** What goes wrong in a run, and when: drawn from its seed, before anything runs. */
import { Random } from './random.ts';
import { S3_TROUBLES } from './s3-faults.ts';

/** Clients begin new things for this long; whatever goes wrong begins within it. */
export const LOAD_MS = 6_000;
const FIRST_MS = 400;
const FEWEST = 2;
const MOST = 5;
const SHORT_MS = 250;
const LONG_MS = 2_500;
/** A silence that somebody has to notice: longer than a runner may be silent, shorter than clients wait. */
const SILENT_MS = [16_000, 22_000] as const;
/** Of the runs have one. */
const SILENT_SHARE = 0.2;
/** The stream of random numbers that it is drawn from. */
const SILENCE = 900;
/** Beyond this, signatures of the object store are refused: the clock of such a machine is what must be mended. */
const WRONGEST_MS = 240_000;

const PROCESSES = ['api', 'runner1', 'runner2', 'trainer'] as const;
const WIRES = ['database', 'runner1', 'runner2', 'api'] as const;
/** That can be silent for long. */
const LINKS = [...WIRES, 'store'] as const;
const DISKS = ['runner1', 'runner2', 'trainer'] as const;

export type Fault = { readonly at: number; readonly forMs: number } & (
  | { readonly kind: 'kill' | 'terminate' | 'freeze'; readonly what: (typeof PROCESSES)[number] }
  | { readonly kind: 'crash'; readonly what: 'postgres' | 's3' }
  | { readonly kind: 'store'; readonly what: (typeof S3_TROUBLES)[number]; readonly share: number }
  | { readonly kind: 'partition' | 'cut'; readonly what: (typeof WIRES)[number] }
  | { readonly kind: 'silence'; readonly what: (typeof LINKS)[number] }
  | { readonly kind: 'disk full'; readonly what: (typeof DISKS)[number] }
  | { readonly kind: 'clock'; readonly what: (typeof PROCESSES)[number]; readonly offset: number }
);
export type FaultKind = Fault['kind'];

/** How often each is drawn: what loses most comes most. */
const KINDS: readonly Exclude<FaultKind, 'silence'>[] = [
  'kill',
  'kill',
  'kill',
  'terminate',
  'freeze',
  'crash',
  'crash',
  'store',
  'store',
  'store',
  'partition',
  'partition',
  'cut',
  'disk full',
  'clock',
];

export interface Plan {
  readonly faults: readonly Fault[];
  /** When each job is begun, and by which recipe. */
  readonly jobs: readonly { readonly recipe: number; readonly delay: number }[];
}

export function planOf(seed: number, recipes: number): Plan {
  const random = new Random(seed, 0);
  const count = FEWEST + random.below(MOST - FEWEST + 1);
  const faults = Array.from({ length: count }, () => draw(random)).sort((a, b) => a.at - b.at);
  const jobs = Array.from({ length: random.chance(0.3) ? 2 : 1 }, () => ({
    recipe: random.below(recipes),
    delay: random.between(0, LOAD_MS / 3),
  }));
  return { faults: [...faults, ...silence(seed)], jobs };
}

/** Drawn by itself, and last: what seeds stood for before there was any is what they stand for. */
function silence(seed: number): Fault[] {
  const random = new Random(seed, SILENCE);
  if (!random.chance(SILENT_SHARE)) return [];
  const what = random.pick(LINKS);
  return [
    { kind: 'silence', what, at: random.between(FIRST_MS, LOAD_MS), forMs: random.between(...SILENT_MS) },
  ];
}

function draw(random: Random): Fault {
  const kind = random.pick(KINDS);
  const when = { at: random.between(FIRST_MS, LOAD_MS), forMs: random.between(SHORT_MS, LONG_MS) };
  switch (kind) {
    case 'kill':
    case 'freeze':
    case 'terminate':
      return { kind, what: random.pick(PROCESSES), ...when };
    case 'crash':
      return { kind, what: random.pick(['postgres', 's3']), ...when };
    case 'store':
      return { kind, what: random.pick(S3_TROUBLES), share: random.pick([0.2, 0.5, 1]), ...when };
    case 'partition':
    case 'cut':
      return { kind, what: random.pick(WIRES), ...when };
    case 'disk full':
      return { kind, what: random.pick(DISKS), ...when };
    case 'clock':
      return {
        kind,
        what: random.pick(PROCESSES),
        offset: Math.round(random.between(-1, 1) * WRONGEST_MS),
        ...when,
      };
  }
}

export function describe(fault: Fault): string {
  const lasting = `for ${(fault.forMs / 1000).toFixed(1)} s`;
  switch (fault.kind) {
    case 'kill':
    case 'terminate':
    case 'cut':
      return `${fault.kind} ${fault.what}`;
    case 'store':
      return `object store: ${fault.what}, ${fault.share * 100}% of requests, ${lasting}`;
    case 'clock':
      return `clock of ${fault.what} wrong by ${fault.offset / 1000} s`;
    default:
      return `${fault.kind} ${fault.what} ${lasting}`;
  }
}
