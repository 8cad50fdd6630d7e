/**
 * Sleds of a simulated fleet pass on what they are receiving, over its network, and its checkers look at every chunk of it. The test
 * orders what a Nexus would.
 */
import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { type ArtifactHash, asGeneration } from '../../src/core/ids.ts';
import { collectPrefixes } from '../../src/core/prefix-digests.ts';
import type { CopyOutcome } from '../../src/core/sled-report.ts';
import type { SledTarget } from '../../src/sled-client/sled-connection.ts';
import { createReleaseShelf, type SimRelease } from '../fleet/releases.ts';
import { createWorld, newBox, type SimSled, type World } from '../fleet/world.ts';
import { openMember } from '../identity/member.ts';
import { createProcess } from '../time/process.ts';
import { createTrace } from '../trace.ts';
import { createWitness, type Witness } from '../witness/witness.ts';
import { CHUNK_BYTES } from './body.ts';
import { createSledLink } from './sled-link.ts';

const UNIT_BYTES = 256;
const SECOND_MS = 1_000;
const GENERATION = asGeneration(1);
const { signal } = new AbortController();
const shelf = createReleaseShelf();

/** A release with an artifact of several chunks. */
const releaseWithLarge = async (): Promise<{
  release: SimRelease;
  sha256: ArtifactHash;
  bytes: Uint8Array;
}> => {
  for (let index = 0; ; index += 1) {
    const release = await shelf.release(index);
    const sha256 = [...release.artifacts.keys()].find(each => (release.artifacts.get(each) ?? 0) > 2_500);
    if (sha256 !== undefined) return { release, sha256, bytes: shelf.contentOf(sha256)! };
  }
};

type Fleet = {
  readonly world: World;
  readonly witness: Witness;
  readonly link: ReturnType<typeof createSledLink>;
  readonly targets: readonly SledTarget[];
  readonly sha256: ArtifactHash;
  readonly bytes: Uint8Array;
  /** Runs the fleet until the promise settles, for some minutes at most. */
  readonly settle: <T>(promise: Promise<T>) => Promise<T>;
};

/** Three sleds that want the artifact and know its prefix digests, and a caller with the certificate of a Nexus. */
const startFleet = async (): Promise<Fleet> => {
  const { release, sha256, bytes } = await releaseWithLarge();
  let witness: Witness | undefined;
  const deletion = { waitMs: 0, limitPercent: 100, limitWaitMs: 0 };
  const world = createWorld({
    ...{ seed: 1, shelf, deletion, quotaBytes: 2 ** 20, scrubPeriodMs: 1e9 },
    ...{ olderAgentProbability: 0, isNexusOlder: false, hasAdminKey: false },
    nexusPlan: { minSledReplication: 1, metadata: 'valid' as never, prunes: false, certificateLifeMs: 1e9 },
    trace: nowMs => createTrace(nowMs),
    watch: made => {
      witness = createWitness(made, { ...deletion, hasRoom: true, remembers: true, requiresSigned: true });
      return witness;
    },
  });
  const sleds = [1, 2, 3].map(() => world.addSled({ datasets: 2 }));
  const settle = async <T>(promise: Promise<T>): Promise<T> => {
    let isOver = false;
    const done = () => {
      isOver = true;
    };
    promise.then(done, done);
    await world.scheduler.runUntil(world.scheduler.nowMs() + 600 * SECOND_MS, () => isOver);
    if (!isOver) throw new Error('it did not settle');
    return promise;
  };
  await world.scheduler.runUntil(SECOND_MS);
  const name = 'nexus-of-the-test';
  const process = createProcess(name, world.scheduler);
  const box = newBox(world, { kind: 'nexus', id: '00000000-0000-4000-8000-00000000000a', name });
  const identity = openMember(box, process, witness!);
  const findSled = (host: string) => sleds.find(({ machine }) => machine.name === host)?.machine;
  const from = { machine: name, process, identity };
  const link = createSledLink(world.network, from, { findSled, speaksOfLineage: () => true });
  const targets = sleds.map(targetOf);
  for (const [at, target] of targets.entries()) {
    const { store } = sleds[at]!.machine.serving()!.endpoint;
    await settle(store.acceptFloor({ generation: GENERATION, digest: '0'.repeat(64) }, new Map()));
    await settle(tellRelease(link, target, release));
    const collector = collectPrefixes(createHash('sha256'), {
      sizeBytes: bytes.length,
      unitBytes: UNIT_BYTES,
    });
    collector.update(bytes);
    const told = { sha256, sizeBytes: bytes.length, prefixes: collector.collected()! };
    await settle(link.tellPrefixes(target, told, { signal }));
  }
  return { world, witness: witness!, link, targets, sha256, bytes, settle };
};

const targetOf = ({ plan: { id, serial } }: SimSled): SledTarget => {
  const at = (port: number) => ({
    scheme: 'https' as const,
    host: serial,
    port,
    expected: { kind: 'sled' as const, id },
  });
  return { id, serial, heads: [], agent: at(12_345), depot: at(12_348) };
};

const tellRelease = async (
  link: Fleet['link'],
  target: SledTarget,
  { systemVersion, artifacts, verified: { bundle } }: SimRelease,
): Promise<void> => {
  if (bundle === undefined) throw new Error('a simulated release is small');
  const releases = [{ systemVersion, bundle: bundle.sha256, isExempt: false }];
  await link.putConfig(
    target,
    { generation: GENERATION, artifacts, succeeds: 'unknown', releases },
    { signal },
  );
  await link.putBundle(target, bundle, { signal });
};

const put = ({ link, targets: [target], sha256, bytes }: Fleet) =>
  link.put(
    target!,
    {
      ...{ sha256, generation: GENERATION, digest: undefined, sizeBytes: bytes.length },
      chunks: (async function* () {
        yield bytes;
      })(),
    },
    { signal },
  );

const copy = ({ link, targets, sha256 }: Fleet, to: number, source: number) =>
  link.copy(
    targets[to]!,
    { sha256, generation: GENERATION, digest: undefined, source: targets[source]!, isArriving: true },
    { signal },
  );

const outcome = ({ link, targets, sha256 }: Fleet, of: number): Promise<CopyOutcome> =>
  link.copyOutcome(targets[of]!, { sha256, waitMs: 45_000 }, { signal });

/** A copy to the second sled and from there to the third, of a put whose second chunk comes seconds after the first. */
const passOn = async (fleet: Fleet): Promise<{ readonly storing: Promise<unknown> }> => {
  const { world, settle } = fleet;
  const { weather } = world.network;
  const runFor = (ms: number) => world.scheduler.runUntil(world.scheduler.nowMs() + ms);
  const slow = (ms: number) => Object.assign(weather, { leastMs: ms, mostMs: ms });
  slow(100);
  const storing = put(fleet);
  storing.catch(() => undefined);
  await runFor(150);
  slow(5_000); // drawn when the first chunk has arrived
  await runFor(100);
  slow(1);
  await settle(Promise.all([copy(fleet, 1, 0), copy(fleet, 2, 1)]));
  await runFor(1_000);
  return { storing };
};

test('an artifact passes through three sleds while it arrives at the first, and no checker objects', async () => {
  const fleet = await startFleet();
  const { witness, link, targets, settle } = fleet;
  const { storing } = await passOn(fleet);
  for (const target of targets.slice(1)) {
    const report = await settle(link.list(target, { signal }));
    expect(report.copiesInFlight).toMatchObject([{ receivedBytes: CHUNK_BYTES }]);
    expect(report.copies.size, 'nothing that arrives is listed').toBe(0);
  }
  expect(await settle(storing)).toMatchObject({ successfulWrites: 2 });
  for (const sled of [1, 2]) expect(await settle(outcome(fleet, sled))).toMatchObject({ kind: 'stored' });
  expect(witness.violation()).toBeUndefined();
});

test('bytes that are damaged on their way to the first sled are passed on by nobody', async () => {
  const fleet = await startFleet();
  const { world, witness, settle } = fleet;
  const { storing } = await passOn(fleet);
  world.network.weather.flipProbability = 1;
  await expect(settle(storing)).rejects.toMatchObject({ code: 'ARTIFACT_PREFIX_MISMATCH' });
  // Or the way from there damages what was right.
  for (const sled of [1, 2]) expect(await settle(outcome(fleet, sled))).toMatchObject({ kind: 'failed' });
  expect(witness.violation()).toBeUndefined();
});
