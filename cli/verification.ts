/** What the publish gate found, in a few lines. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { z } from 'zod';
import { type Client, VersionDetail } from './client.ts';
import { CliError, EXIT, list } from './errors.ts';
import { note, type Output } from './output.ts';

const ASK_EVERY_MS = 1_000;

type Detail = z.infer<typeof VersionDetail>;

/** Waits until the gate has decided. @throws CliError refused, with every reason */
export async function verified(client: Client, output: Output, reference: string): Promise<Detail> {
  const [id = '', number = ''] = reference.split('@');
  for (let told = false; ; told = true) {
    const detail = await client.get(VersionDetail, `/api/adapters/${id}/versions/${number}`);
    if (detail.status === 'passed') return detail;
    if (detail.status !== 'pending') {
      const reasons = detail.verification?.problems.map((problem) => problem.detail) ?? [];
      throw new CliError(EXIT.refused, `${reference} did not pass its verification.\n${list(reasons)}`);
    }
    if (!told && !output.json) note(`${reference} is being verified ...`);
    await sleep(ASK_EVERY_MS);
  }
}

export function describeVerification({ verification, runsOn }: Detail): string[] {
  const { smoke, evaluation, notes = [], advice = [] } = verification?.findings ?? {};
  const percent = (share: number) => `${Math.round(100 * share)}%`;
  const { loss, accuracy } = evaluation ?? {};
  return [
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
