/**
 * How long planning takes: sleds × 4 releases × 64 artifacts, from nothing, half way and complete.
 *
 *     npm run bench:plan -- [--sleds 32] [--json FILE]
 *
 *     step     what can begin now, with the places of a Nexus: `nextTransfers`, each time that a transfer has ended
 *     plan     everything, with its reasons: `planReplication`, once in a round
 *
 * Each is the median of its turns; `step_ms_max` and `plan_ms_max` are the worst of the three states. Beside it, as a yardstick of the
 * machine: sorting as many pairs of sled and artifact by a string key. With 32 sleds the exit code is 1 if one of them takes 20 ms.
 */
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { ArtifactHash, asGeneration, RepoId, SledId, SystemVersion, UploadId } from '../src/core/ids.ts';
import type { InventorySled, Wanted } from '../src/core/inventory.ts';
import type { PlanInput } from '../src/core/plan/input.ts';
import { planReplication } from '../src/core/plan/plan.ts';
import { SMALL_ARTIFACT_BYTES } from '../src/core/plan/quota.ts';
import { seededRng } from '../src/core/rng.ts';
import { systemClock } from '../src/lib/clock.ts';
import { createFleetMemory } from '../src/nexus/sleds/sled-memory.ts';
import { createSchedule } from '../src/nexus/transfers/schedule.ts';

const RELEASES = 4;
const ARTIFACTS = 64;
const LIMIT_MS = 20;
const LIMIT_SLEDS = 32;
/** Turns of all sleds together: large fleets have fewer. */
const SLED_TURNS = 6_400;
const FEWEST_TURNS = 3;

const { values } = parseArgs({
  options: { sleds: { type: 'string', default: '32' }, json: { type: 'string' } },
});
const SLEDS = Number(values.sleds);
if (!Number.isSafeInteger(SLEDS) || SLEDS < 1) {
  console.error('npm run bench:plan -- [--sleds N] [--json FILE]');
  process.exit(2);
}
const ROUNDS = Math.max(FEWEST_TURNS, Math.floor(SLED_TURNS / SLEDS));

const uuid = (kind: number, n: number) => `0000000${kind}-0000-4000-8000-${n.toString(16).padStart(12, '0')}`;
const hash = (n: number) => ArtifactHash.parse(createHash('sha256').update(String(n)).digest('hex'));

const releases = Array.from({ length: RELEASES }, (_, r) => ({
  repoId: RepoId.parse(uuid(2, r)),
  systemVersion: SystemVersion.parse(`${r + 1}.0.0`),
  artifacts: new Set(Array.from({ length: ARTIFACTS }, (_, a) => hash(r * ARTIFACTS + a))),
}));
const wanted: Wanted = {
  generation: asGeneration(5),
  artifacts: new Map(
    releases.flatMap(release => [...release.artifacts]).map((h, n) => [h, 256 * 1024 * (n + 1)]),
  ),
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
      ...{ maxTransfers: 4096, maxTransfersToSled: 2, maxCopiesFromSource: 2, maxPuts: 2 },
      smallBytes: SMALL_ARTIFACT_BYTES,
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

const memory = createFleetMemory({ clock: systemClock, rng: seededRng(0) });
const keys = Array.from({ length: SLEDS }, (_, s) =>
  [...wanted.artifacts.keys()].map(h => `${s}/${h}`),
).flat();
const yardstick = median(() => void keys.toSorted());
const result = { sleds: SLEDS, step_ms_max: 0, plan_ms_max: 0 };
for (const [title, share] of [
  ['from nothing', 0],
  ['half way', 50],
  ['complete', 100],
] as const) {
  const input = fleet(share);
  const schedule = createSchedule();
  schedule.follow({ wanted, sleds: input.sleds, local: input.local, beganMs: 0 });
  const now = { local: input.local, policy: input.policy, memory, nowMs: 0 };
  const { puts, copies } = schedule.next(now, seededRng(0));
  const stepMs = median(round => void schedule.next(now, seededRng(round)));
  const planMs = median(round => void planReplication(input, seededRng(round)));
  result.step_ms_max = Math.max(result.step_ms_max, stepMs);
  result.plan_ms_max = Math.max(result.plan_ms_max, planMs);
  console.log(
    `${title}: step ${stepMs.toFixed(2)} ms for ${puts.length + copies.length} requests, plan ${planMs.toFixed(2)} ms; ${(stepMs / yardstick).toFixed(2)} and ${(planMs / yardstick).toFixed(2)} × sorting ${keys.length} keys`,
  );
}
if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(result)}\n`);
if (SLEDS <= LIMIT_SLEDS && Math.max(result.step_ms_max, result.plan_ms_max) >= LIMIT_MS)
  process.exitCode = 1;
