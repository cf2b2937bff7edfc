/** What the publish gate found, in a few lines. */
import type { z } from 'zod';
import { type Client, VersionDetail } from './client.ts';
import { CliError, EXIT, list } from './errors.ts';
import { onInterrupt } from './interrupt.ts';
import { note, type Output } from './output.ts';
import { NOT_REACHABLE, untilOver } from './patience.ts';

const ASK_EVERY_MS = 1_000;

type Detail = z.infer<typeof VersionDetail>;

/** Waits until the gate has decided. @throws CliError refused, with every reason */
export async function verified(client: Client, output: Output, reference: string): Promise<Detail> {
  const [id = '', number = ''] = reference.split('@');
  const again = `The verification goes on. Look again: patchbay show ${reference}`;
  using _ = onInterrupt(() => note(again));
  let isTold = false;
  const look = async () => {
    const detail = await client.get(VersionDetail, `/api/adapters/${id}/versions/${number}`);
    if (detail.status === 'pending' && !isTold && !output.json) note(`${reference} is being verified ...`);
    isTold = true;
    return detail;
  };
  const detail = await untilOver({
    look,
    isOver: ({ status }) => status !== 'pending',
    everyMs: ASK_EVERY_MS,
    onAway: (isFirst) => isFirst && note(NOT_REACHABLE),
    again,
  });
  if (detail.status === 'passed') return detail;
  const reasons = detail.verification?.problems.map((problem) => problem.detail) ?? [];
  throw new CliError(EXIT.refused, `${reference} did not pass its verification.\n${list(reasons)}`);
}

export function describeVerification({ status, verification, runsOn }: Detail): string[] {
  const { smoke, evaluation, notes = [], advice = [] } = verification?.findings ?? {};
  const percent = (share: number) => `${Math.round(100 * share)}%`;
  const { loss, accuracy } = evaluation ?? {};
  return [
    ...(status === 'passed' ? [] : [`status   ${status}`]),
    ...(verification?.problems ?? []).map(({ detail }) => `reason   ${detail}`),
    ...(smoke ? [`answers  ${smoke.changedAnswers} of ${smoke.prompts} differ from the base's`] : []),
    ...(evaluation
      ? [
          `loss     ${loss!.base.toFixed(3)} -> ${loss!.adapter.toFixed(3)} on ${evaluation.rows} held-out rows`,
          `exact    ${percent(accuracy!.base.value)} -> ${percent(accuracy!.adapter.value)} (95%: ${percent(accuracy!.adapter.low)} to ${percent(accuracy!.adapter.high)})`,
        ]
      : []),
    `runs on  ${runsOn
      .filter(({ runs }) => runs !== 'no')
      .map(({ platform, runs }) => (runs === 'yes' ? platform : `${platform} (with changes)`))
      .join(', ')}`,
    ...[...notes, ...advice].map((text) => `note     ${text}`),
  ];
}
