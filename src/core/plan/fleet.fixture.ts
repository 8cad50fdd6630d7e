/** Fleets for the planner's tests: arbitrary ones, and the fleet after a plan was executed. */
import fc from 'fast-check';
import { ArtifactHash, asGeneration, RepoId, SledId, SystemVersion, UploadId } from '../ids.ts';
import type { InventorySled, LocalRepo, SledListing, Wanted } from '../inventory.ts';
import type { PlanInput, RouteFailure, RouteFailures, TransferLimits } from './input.ts';
import type { NextTransfers } from './plan.ts';

const uuid = (kind: number, n: number): string =>
  `${kind.toString(16).padStart(8, '0')}-0000-4000-8000-${n.toString(16).padStart(12, '0')}`;
export const hash = (n: number): ArtifactHash => ArtifactHash.parse(n.toString(16).padStart(64, '0'));
export const sledId = (n: number): SledId => SledId.parse(uuid(1, n));
export const repoId = (n: number): RepoId => RepoId.parse(uuid(2, n));
const uploadId = (n: number): UploadId => UploadId.parse(uuid(3, n));

export const listing = (held: Iterable<[ArtifactHash, number]> = [], datasets = 2): SledListing => ({
  kind: 'ok',
  held: new Map(held),
  datasets,
  copiesInFlight: new Set(),
  incarnationId: undefined,
});

export const sled = (n: number, answer: InventorySled['answer'] = listing()): InventorySled => ({
  id: sledId(n),
  serial: `sled-${n}`,
  answer,
});

export const silentSled = (n: number): InventorySled =>
  sled(n, { kind: 'unreachable', error: 'connection refused', code: 'PEER_UNREACHABLE', sinceMs: 0 });

/** One release per entry, each a list of artifact numbers; sizes rise with the number. */
export const wantedOf = (releases: readonly (readonly number[])[]): Wanted => ({
  generation: asGeneration(releases.length + 1),
  artifacts: new Map(releases.flat().map(n => [hash(n), (n + 1) * 1024])),
  releases: releases.map((artifacts, index) => ({
    repoId: repoId(index),
    systemVersion: SystemVersion.parse(`${index + 1}.0.0`),
    artifacts: new Set(artifacts.map(hash)),
  })),
});

/** The archive of the n-th release of {@link wantedOf}. */
export const archiveOf = (wanted: Wanted, n: number): LocalRepo => ({
  uploadId: uploadId(n),
  repoId: repoId(n),
  artifacts: new Map([...wanted.releases[n]!.artifacts].map(h => [h, wanted.artifacts.get(h)!])),
});

/** Failures of sled `target` with sled 1, sled 2 and so on as the source; undefined where there is none. */
export const routesTo = (target: number, bySource: readonly (RouteFailure | undefined)[]): RouteFailures =>
  new Map([
    [
      sledId(target),
      new Map(
        bySource.flatMap((route, at): [SledId, RouteFailure][] =>
          route === undefined ? [] : [[sledId(at + 1), route]],
        ),
      ),
    ],
  ]);

export const ROOMY: TransferLimits = {
  maxTransfers: 10_000,
  maxTransfersToSled: 10_000,
  maxCopiesFromSource: 10_000,
  maxPuts: 10_000,
  smallBytes: 0,
};

export const planInput = (input: Partial<PlanInput> & Pick<PlanInput, 'wanted' | 'sleds'>): PlanInput => ({
  local: [],
  policy: { minSledReplication: 3, limits: ROOMY },
  underWay: [],
  idleSinceMs: new Map(),
  backoff: new Map(),
  routes: new Map(),
  nowMs: 0,
  ...input,
});

/** The fleet after every request succeeded; throws on one that no real fleet could carry out. */
export const obey = (input: PlanInput, plan: NextTransfers): PlanInput => {
  const held = new Map(
    input.sleds.map(s => [
      s.id,
      s.answer.kind === 'ok' ? new Map(s.answer.held) : new Map<ArtifactHash, number>(),
    ]),
  );
  const datasets = new Map(input.sleds.map(s => [s.id, s.answer.kind === 'ok' ? s.answer.datasets : 0]));
  const before = new Map([...held].map(([id, hashes]) => [id, new Map(hashes)]));
  for (const put of plan.puts) {
    const archive = input.local.find(local => local.uploadId === put.uploadId);
    if (!archive?.artifacts.has(put.sha256))
      throw new Error(`put of ${put.sha256} from an archive that lacks it`);
    held.get(put.target)!.set(put.sha256, datasets.get(put.target)!);
  }
  for (const copy of plan.copies) {
    const hasSource = (before.get(copy.source)?.get(copy.sha256) ?? 0) > 0;
    const [source, target] = [copy.source, copy.target].map(id => input.sleds.find(s => s.id === id));
    if (target?.isPlain === true && source?.isPlain !== true)
      throw new Error(`copy of ${copy.sha256} to ${copy.target}, which has no identity, from one that has`);
    if (!hasSource) throw new Error(`copy of ${copy.sha256} to ${copy.target} from a sled that lacks it`);
    held.get(copy.target)!.set(copy.sha256, datasets.get(copy.target)!);
  }
  return {
    ...input,
    sleds: input.sleds.map(s =>
      s.answer.kind === 'ok' ? { ...s, answer: { ...s.answer, held: held.get(s.id)! } } : s,
    ),
  };
};

/** Up to 8 sleds, silent ones among them, up to 3 releases that share artifacts, any part of it held already. */
export const arbFleet: fc.Arbitrary<PlanInput> = fc
  .record({
    releases: fc.array(fc.uniqueArray(fc.nat({ max: 9 }), { minLength: 1, maxLength: 6 }), { maxLength: 3 }),
    sleds: fc.array(
      fc.record({
        silent: fc.boolean(),
        datasets: fc.integer({ min: 1, max: 3 }),
        held: fc.dictionary(fc.nat({ max: 9 }).map(String), fc.integer({ min: 1, max: 3 })),
        inFlight: fc.array(fc.nat({ max: 9 }), { maxLength: 2 }),
        paused: fc.boolean(),
        plain: fc.boolean(),
      }),
      { minLength: 1, maxLength: 8 },
    ),
    archives: fc.uniqueArray(fc.nat({ max: 2 })),
    minSledReplication: fc.integer({ min: 1, max: 4 }),
    limits: fc.record({
      maxTransfers: fc.integer({ min: 1, max: 40 }),
      maxTransfersToSled: fc.integer({ min: 1, max: 8 }),
      maxCopiesFromSource: fc.integer({ min: 1, max: 8 }),
      maxPuts: fc.integer({ min: 1, max: 8 }),
      smallBytes: fc.constantFrom(0, 4096),
    }),
  })
  .map(({ releases, sleds, archives, minSledReplication, limits }) => {
    const wanted = wantedOf(releases);
    return planInput({
      wanted,
      local: archives.filter(n => n < releases.length).map(n => archiveOf(wanted, n)),
      policy: { minSledReplication, limits },
      sleds: sleds.map(({ silent, datasets, held, inFlight, paused, plain }, index) => {
        if (silent) return silentSled(index);
        const counts = Object.entries(held)
          .map(([n, copies]): [ArtifactHash, number] => [hash(Number(n)), Math.min(copies, datasets)])
          .filter(([h]) => wanted.artifacts.has(h));
        const answer = { ...listing(counts, datasets), copiesInFlight: new Set(inFlight.map(hash)) };
        return {
          ...sled(index, answer),
          ...(paused ? { writesPausedUntilMs: 1000, writesPausedBecause: 'full' } : {}),
          ...(plain ? { isPlain: true } : {}),
        };
      }),
    });
  });
