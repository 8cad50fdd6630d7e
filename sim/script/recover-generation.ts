/**
 * The recovery from lost commits, as docs/operations.md describes it to operators:
 *
 *     artifacts of sleds that no release lists ─▶ upload the lost releases again ─▶ give up deleted ones by name ─▶ recover
 *
 * OR1. A release whose upload was acknowledged, and that was not deleted since, is uploaded again, never given up.
 * OR2. It is given up only if its upload is refused for good, for a valid reason.
 */
import { ArtifactHash, asGeneration } from '../../src/core/ids.ts';
import { newestLedgerOn, pointOfLedger } from '../checkers/ledgers.ts';
import type { SimRelease } from '../fleet/releases.ts';
import type { SimNexus } from '../fleet/world.ts';
import { requestContext } from '../network/request-context.ts';
import { inServiceNexuses, inServiceSleds, type Scene } from './scene.ts';
import { acceptPoints } from './statements.ts';

/** A wrong refusal may last so long: the Nexus may not have collected the sleds yet. */
const REFUSED_FOR_MS = 6 * 60_000;

/** OR1: the releases that the operator uploaded, and that the database has lost. */
const lostReleases = (scene: Scene): readonly SimRelease[] => {
  const present = new Set<string>();
  for (const { repo } of scene.world.database.snapshot().releases.values())
    if (repo.timePrunedMs === null) present.add(repo.systemVersion);
  return scene.releases.filter(release => isMeantToBe(scene, release) && !present.has(release.systemVersion));
};

const isMeantToBe = ({ operator, witness }: Scene, { systemVersion }: SimRelease): boolean => {
  const record = operator.records.get(systemVersion);
  if (record?.acknowledgedAtMs === undefined) return false;
  const deletedAtMs = witness.histories.deletedAtMs(systemVersion);
  return record.acknowledgedAtMs > Math.max(record.removedAtMs ?? -1, deletedAtMs ?? -1);
};

/** OR2 */
const isRefusedForGood = ({ operator, world }: Scene, { systemVersion }: SimRelease): boolean => {
  const refused = operator.records.get(systemVersion)?.refused;
  return refused !== undefined && world.scheduler.nowMs() - refused.sinceMs > REFUSED_FOR_MS;
};

/** P3: a release that a sled lists at an unknown point, and the database does not, is not refused for rollback or expiry. */
const requireNotRefused = (scene: Scene, release: SimRelease): void => {
  const { operator, witness, world } = scene;
  const code = operator.records.get(release.systemVersion)?.refused?.code;
  if (code?.startsWith('METADATA_') !== true || !isRefusedForGood(scene, release)) return;
  const hashes = [...release.artifacts.keys()];
  const wanted = witness.holdings.wanted();
  const { points } = world.database.snapshot();
  const lists = (artifacts: ReadonlySet<string>) => hashes.every(hash => artifacts.has(hash));
  const holder = inServiceSleds(scene).find(sled => {
    const told = sled.machine.isUp() && sled.agent === 'current' ? newestLedgerOn(sled) : undefined;
    return told !== undefined && !points.has(pointOfLedger(told)) && lists(told.artifacts);
  });
  if (holder !== undefined && hashes.some(hash => !wanted.has(hash)))
    witness.fail(
      'reasons',
      `${release.systemVersion} is lost, and refused with ${code}, although ${holder.plan.serial} lists all of it`,
    );
};

/** The lost releases that can be uploaded again. */
export const recoverableReleases = (scene: Scene): readonly SimRelease[] =>
  lostReleases(scene).filter(release => !isRefusedForGood(scene, release));

export const uploadLostReleases = (scene: Scene): void => {
  const { operator, world } = scene;
  const [nexus] = inServiceNexuses(scene);
  if (nexus === undefined || operator.uploading() > 0) return;
  for (const release of lostReleases(scene)) {
    requireNotRefused(scene, release);
    world.trace.say('operator', `${release.systemVersion} is lost`);
    operator.upload(release, nexus);
  }
};

/** The remedy of sleds that have diverged. */
export const recoverGeneration = async (scene: Scene, nexus: SimNexus): Promise<void> => {
  const { world, operator, witness } = scene;
  const seen = await operator.ask(nexus, (services, incoming) =>
    services.operatorRecovery.generationRecoveryView({
      ...requestContext(incoming),
      params: {},
      query: { exclude_sleds: undefined },
      body: undefined,
    }),
  );
  if (seen === undefined || seen.state === 'not_needed' || seen.to === null) return;
  // A hostile Nexus gives sleds points of its own.
  if (!witness.wasDatabaseRestored() && scene.hostility.nexuses.size === 0)
    witness.fail('reasons', `a recovery is advised (${seen.state}), and the database was never restored`);
  const { generation, to } = seen;
  const undecided = seen.undecided_artifacts.map(({ sha256 }) => ArtifactHash.parse(sha256));
  const kept = recoverableReleases(scene).find(({ artifacts }) =>
    undecided.some(hash => artifacts.has(hash)),
  );
  if (kept !== undefined) {
    world.trace.say('operator', `does not give up ${kept.systemVersion}`);
    return;
  }
  for (const sha256 of undecided) witness.lineage.givenUp.add(sha256);
  await acceptPoints(
    scene,
    nexus,
    seen.points.map(each => ({ generation: asGeneration(each.generation), digest: each.config_digest })),
  );
  const done = await operator.ask(nexus, (services, incoming) =>
    services.operatorRecovery.generationRecover({
      ...requestContext(incoming),
      params: {},
      query: {},
      body: {
        expected_generation: asGeneration(generation),
        to: asGeneration(to),
        ...(undecided.length > 0 && { give_up: { artifacts: undecided } }),
      },
    }),
  );
  if (done?.state !== 'done') return;
  world.trace.say(
    'operator',
    `recovered the generation, from ${generation} to ${done.to}, ${undecided.length} artifacts given up`,
  );
  world.trace.reached('the generation was recovered');
};
