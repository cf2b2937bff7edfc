/** Rows as the protocol shows them. */
import { parseBaseConfig } from '../../adapter/base-config.ts';
import type { Adapter, Version } from '../../db/adapters.ts';
import type { Base } from '../../db/bases.ts';

export function viewAdapter(adapter: Adapter) {
  const { baseId, createdAt, updatedAt, ...rest } = adapter;
  return { ...rest, base: baseId, createdAt: createdAt.toISOString(), updatedAt: updatedAt.toISOString() };
}

export function viewVersion(version: Version) {
  const { adapterId, number, digest, baseId, rank, parameters, targetModules, size, createdAt } = version;
  const { lineage, receipt } = version;
  return {
    number,
    reference: `${adapterId}@${number}`,
    digest,
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
