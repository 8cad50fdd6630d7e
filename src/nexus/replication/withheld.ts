/** Releases that sleds withhold, and sleds that withhold nothing: reasons of the status. */
import type { HealthReason } from '../../core/facts/reason.ts';
import type { ArtifactHash } from '../../core/ids.ts';
import type { BundleReport } from '../../core/release-trust.ts';
import type { PresentRelease } from '../datastore/ports/wanted-set-port.ts';
import type { CollectedSled } from '../sleds/sled-draft.ts';

/** A fleet has a thousand sleds; a person reads a few. */
const MOST_SERIALS = 5;

type Because = HealthReason<'RELEASE_WITHHELD'>['because'];
type Withheld = {
  readonly serials: string[];
  readonly artifacts: Set<ArtifactHash>;
  error: string | undefined;
};

/** One reason for each cause, whatever the number of sleds and artifacts (HE2). */
export const withheldReasons = (
  { systemVersion, artifacts, bundle }: PresentRelease,
  sleds: readonly CollectedSled[],
): HealthReason<'RELEASE_WITHHELD'>[] => {
  const byCause = new Map<Because, Withheld>();
  for (const { serial, answer, report } of sleds) {
    if (answer.kind !== 'ok' || answer.withheld === undefined || answer.withheld.size === 0) continue;
    const withheld = answer.withheld.intersection(artifacts);
    if (withheld.size === 0) continue;
    const told = report?.bundles?.find(({ sha256 }) => sha256 === bundle?.sha256);
    const because = causeOf(bundle, told);
    const known = byCause.get(because) ?? { serials: [], artifacts: new Set(), error: undefined };
    byCause.set(because, known);
    known.serials.push(serial);
    for (const hash of withheld) known.artifacts.add(hash);
    known.error ??= told?.reason;
  }
  return [...byCause].flatMap(([because, { serials, artifacts: hashes, error }]) => {
    const [sha256] = [...hashes].sort();
    if (sha256 === undefined) return [];
    return {
      code: 'RELEASE_WITHHELD' as const,
      ...{ systemVersion, because, sha256, artifacts: hashes.size, sleds: serials.length },
      serials: serials.toSorted().slice(0, MOST_SERIALS),
      ...(error !== undefined && { error }),
    };
  });
};

const causeOf = (bundle: PresentRelease['bundle'], told: BundleReport | undefined): Because => {
  const state = told?.state;
  if (bundle === undefined) return 'no_bundle';
  if (state === 'refused' && told?.cause !== undefined) return told.cause;
  if (state === 'refused' || state === 'unexempted') return state;
  return state === 'admitted' ? 'unlisted' : 'missing';
};

/** Sleds that know trust roots, and store what nobody signed all the same: by their configuration, or since only a Nexus told them. */
export const openSledReasons = (sleds: readonly CollectedSled[]): HealthReason[] =>
  sleds.flatMap(({ id: sledId, serial, report }): HealthReason[] =>
    report?.requiresSigned === false && hasPinned(report)
      ? [{ code: 'SLED_STORES_UNSIGNED', sledId, serial }]
      : [],
  );

const hasPinned = ({ trust }: NonNullable<CollectedSled['report']>): boolean =>
  trust !== undefined && trust.chains.length + trust.adminKeys.length > 0;
