/**
 * How long planning takes: 32 sleds × 4 releases × 64 artifacts, from nothing and half way.
 *
 *     bin/node24 bench/plan.ts
 *
 * Beside it, as a yardstick of the machine: sorting as many pairs of sled and artifact by a string key.
 */
import { createHash } from 'node:crypto';
import { ArtifactHash, asGeneration, RepoId, SledId, SystemVersion, UploadId } from '../src/core/ids.ts';
import type { InventorySled, Wanted } from '../src/core/inventory.ts';
import type { PlanInput } from '../src/core/plan/input.ts';
import { planReplication } from '../src/core/plan/plan.ts';
import { seededRng } from '../src/core/rng.ts';

const SLEDS = 32;
const RELEASES = 4;
const ARTIFACTS = 64;
const ROUNDS = 200;
const LIMIT_MS = 20;

const uuid = (kind: number, n: number) => `0000000${kind}-0000-4000-8000-${n.toString(16).padStart(12, '0')}`;
const hash = (n: number) => ArtifactHash.parse(createHash('sha256').update(String(n)).digest('hex'));

const releases = Array.from({ length: RELEASES }, (_, r) => ({
  repoId: RepoId.parse(uuid(2, r)),
  systemVersion: SystemVersion.parse(`${r + 1}.0.0`),
  artifacts: new Set(Array.from({ length: ARTIFACTS }, (_, a) => hash(r * ARTIFACTS + a))),
}));
const wanted: Wanted = {
  generation: asGeneration(5),
  artifacts: new Map(releases.flatMap(release => [...release.artifacts]).map((h, n) => [h, 1024 * (n + 1)])),
  releases,
};

const fleet = (share: number): PlanInput => ({
  wanted,
  sleds: Array.from(
    { length: SLEDS },
    (_, s): InventorySled => ({
      id: SledId.parse(uuid(1, s)),
      serial: `sled-${s}`,
      answer: {
        kind: 'ok',
        held: new Map(
          [...wanted.artifacts.keys()].filter((_, n) => (n * 7 + s) % 100 < share).map(h => [h, 2]),
        ),
        datasets: 2,
        copiesInFlight: new Set(),
        incarnationId: undefined,
      },
    }),
  ),
  local: releases.map(({ repoId, artifacts }, n) => ({
    uploadId: UploadId.parse(uuid(3, n)),
    repoId,
    artifacts: new Map([...artifacts].map(h => [h, wanted.artifacts.get(h)!])),
  })),
  policy: {
    minSledReplication: 3,
    limits: {
      maxTransfers: 1e6,
      maxTransfersToSled: 1e6,
      maxCopiesFromSource: 1e6,
      maxPuts: 1e6,
      smallBytes: 0,
    },
  },
  underWay: [],
  idleSinceMs: new Map(),
  backoff: new Map(),
  routes: new Map(),
  nowMs: 0,
});

const median = (work: (round: number) => void): number => {
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const began = performance.now();
    work(round);
    times.push(performance.now() - began);
  }
  return times.sort((a, b) => a - b)[ROUNDS >> 1]!;
};

const keys = Array.from({ length: SLEDS }, (_, s) =>
  [...wanted.artifacts.keys()].map(h => `${s}/${h}`),
).flat();
const yardstick = median(() => void keys.toSorted());
let slow = false;
for (const [title, share] of [
  ['from nothing', 0],
  ['half way', 50],
  ['complete', 100],
] as const) {
  const input = fleet(share);
  const plan = planReplication(input, seededRng(0));
  const ms = median(round => void planReplication(input, seededRng(round)));
  slow ||= ms >= LIMIT_MS;
  const requests = plan.puts.length + plan.copies.length;
  console.log(
    `${title}: ${ms.toFixed(2)} ms for ${requests} requests (limit ${LIMIT_MS} ms), ${(ms / yardstick).toFixed(2)} × sorting ${keys.length} keys`,
  );
}
if (slow) process.exitCode = 1;
