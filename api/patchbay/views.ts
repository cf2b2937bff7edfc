/** Rows as the protocol shows them. */
import { parseBaseConfig } from '../../adapter/base-config.ts';
import { compatibility } from '../../adapter/compatibility.ts';
import { parsePeftConfig } from '../../adapter/peft-config.ts';
import type { Adapter, Version } from '../../db/adapters.ts';
import type { Base } from '../../db/bases.ts';
import type { FacetCounts } from '../../db/catalog.ts';
import type { Facet } from '../../db/catalog-labels.ts';
import type { Database } from '../../db/open.ts';
import type { Verification } from '../../db/verifications.ts';
import { Findings } from '../../functions/verify.ts';
import type { Viewer } from '../access.ts';
import { withKnownParents } from './seen.ts';

export function viewAdapter(adapter: Adapter) {
  const { baseId, createdAt, updatedAt, ...rest } = adapter;
  return { ...rest, base: baseId, createdAt: createdAt.toISOString(), updatedAt: updatedAt.toISOString() };
}

export function viewCounts({ total, exact, facets }: FacetCounts) {
  const values = Object.entries(facets).map(([facet, counted]) => [facet, [...counted]]);
  return {
    total,
    exact,
    facets: Object.fromEntries(values) as { [F in Facet]: { value: string; count: number }[] },
  };
}

/** As the one who asks may know them. */
export async function viewVersions(db: Database, viewer: Viewer, versions: readonly Version[]) {
  return (await withKnownParents(db, viewer, versions)).map(viewKnown);
}

export async function viewVersion(db: Database, viewer: Viewer, version: Version) {
  return (await viewVersions(db, viewer, [version]))[0]!;
}

function viewKnown(version: Version) {
  const { adapterId, number, status, digest, baseId, rank, parameters, targetModules, size } = version;
  const { branch, createdAt, lineage, receipt } = version;
  return {
    number,
    reference: `${adapterId}@${number}`,
    status,
    digest,
    branch,
    base: baseId,
    rank,
    parameters,
    targetModules,
    size,
    createdAt: createdAt.toISOString(),
    lineage,
    receipt,
  };
}

export function viewRunsOn({ config, baseId, rank, size, targetModules }: Version) {
  const facts = { base: baseId, rank, bytes: size, targetModules };
  return compatibility(parsePeftConfig(config), facts).map((one) => ({ ...one, reasons: [...one.reasons] }));
}

export function viewVerification({ rules, status, createdAt, finishedAt, ...rest }: Verification) {
  const { problems, findings, record } = rest;
  return {
    rules,
    status,
    requestedAt: createdAt.toISOString(),
    checkedAt: finishedAt?.toISOString() ?? null,
    problems,
    findings: findings && Findings.parse(findings),
    record,
  };
}

export function viewBase({ id, digest, config, parameters, createdAt }: Base) {
  const { architecture, contextLength, hiddenSize, layers, vocabSize } = parseBaseConfig(config);
  return {
    id,
    digest,
    architecture,
    parameters,
    contextLength,
    hiddenSize,
    layers,
    vocabSize,
    createdAt: createdAt.toISOString(),
  };
}
