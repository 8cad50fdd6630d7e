/**
 * What holds after the last fault is repaired: within a bounded time the fleet rests in its wanted state, and stays there.
 *
 * - G1, G7: every working sled holds every artifact of every present release, on every dataset, with the right bytes, and
 *   has the config of the database.
 * - P13: no release is lost that was acknowledged and not deleted, and no sled holds deletions.
 * - T1: every working sled refuses a Nexus that was taken over.
 * - G3: nothing else is stored, and no archive is kept that is safe on sleds.
 * - G8: a sled that stays broken does not affect the others, and the status names it.
 */
import { type ArtifactHash, pointText, type UploadId } from '../../src/core/ids.ts';
import { STAGING } from '../fleet/nexus-machine.ts';
import type { SimNexus, SimSled, World } from '../fleet/world.ts';
import type { Guarantee } from '../violation.ts';
import { type Holdings, nexusIdOn, uploadIdOf } from './holdings.ts';
import { keptOn, ledgerOn, newestLedgerOn, pointOfLedger } from './ledgers.ts';

export type Shortfall = {
  readonly guarantee: Guarantee;
  readonly message: string;
  /** Whether this is about a file that may be in the middle of a write: it counts only if the file is still there a moment later. */
  readonly isUnfinished?: true;
  /** Whether this is about an artifact that no release lists any more: its deletion may still wait (T4). */
  readonly mayWait?: true;
};

type Facts = {
  readonly world: World;
  readonly holdings: Holdings;
  /** Sleds that stay broken: nothing is expected of them. */
  readonly broken: ReadonlySet<SimSled>;
  /** Archives that a Nexus keeps until an operator decides. */
  readonly keptForPeople: ReadonlySet<string>;
  /** Whether a disk may have failed to remove the file of a failed upload or write, which the next start then removes. */
  readonly hasDiskErrors: boolean;
  /** Of one dataset. */
  readonly quotaBytes: number;
  /** Releases that the operator uploaded and the database has lost, without those that are refused for good. */
  readonly lost: () => readonly { readonly systemVersion: string }[];
};

/** The first deviation from the wanted state, and of those that may wait only if there is no other; undefined at rest. */
export const findShortfall = (facts: Facts): Shortfall | undefined => {
  const wanted = facts.holdings.wanted();
  const hasRoom = fitsOnSleds(facts);
  const [lost] = facts.lost();
  if (lost !== undefined)
    return {
      guarantee: 'G4',
      message: `${lost.systemVersion} was acknowledged, and the database has lost it`,
    };
  let waiting: Shortfall | undefined;
  for (const sled of workingSleds(facts)) {
    const shortfall =
      hearsHostile(facts, sled) ??
      (hasRoom ? missingOn(facts, sled, wanted) : undefined) ??
      notFollowing(facts, sled) ??
      leftOn(facts, sled, wanted) ??
      heldBack(sled);
    if (shortfall !== undefined) return shortfall;
    waiting ??= unlistedOn(facts, sled, wanted);
  }
  return unlistedArchive(facts) ?? (hasRoom ? keptArchive(facts) : undefined) ?? waiting;
};

/**
 * Whether every sled has room for the wanted set: only an operator can make room. A sled without a free byte is full, and
 * receives nothing more, not even an empty artifact.
 */
export const fitsOnSleds = ({ holdings, quotaBytes }: Pick<Facts, 'holdings' | 'quotaBytes'>): boolean =>
  [...holdings.wanted().values()].reduce((sum, sizeBytes) => sum + sizeBytes, 0) < quotaBytes;

const workingSleds = ({ world, broken }: Pick<Facts, 'world' | 'broken'>): readonly SimSled[] =>
  world.sleds.filter(sled => sled.standing === 'in_service' && !broken.has(sled));

/** T1: until each sled was told of the expunge, the Nexus that was taken over may move it from its state again. */
const hearsHostile = ({ world }: Facts, { machine, plan }: SimSled): Shortfall | undefined => {
  const told = new Set(machine.box.revoked.map(({ kind, id }) => `${kind}/${id}`));
  const heard = world.nexuses.find(
    ({ standing, machine: { box } }) =>
      standing === 'taken' && !told.has(`nexus/${box.passport.identity.id}`),
  );
  return (
    heard && {
      guarantee: 'T1',
      message: `${plan.serial} still hears ${heard.machine.name}, which was taken over`,
    }
  );
};

const missingOn = (
  { holdings }: Facts,
  sled: SimSled,
  wanted: ReadonlyMap<ArtifactHash, number>,
): Shortfall | undefined => {
  const volumes = sled.machine.volumes.size;
  for (const sha256 of wanted.keys()) {
    const copies = holdings.copiesOn(sled, sha256);
    if (copies < volumes)
      return {
        guarantee: 'G1',
        message: `${sled.plan.serial} has ${sha256} on ${copies} of its ${volumes} datasets`,
      };
  }
  return undefined;
};

/**
 * The files of a sled may be right by chance, while its config is one that the database has just lost, or while the sled has
 * not looked at a returned disk yet.
 */
const notFollowing = ({ world }: Facts, { machine, plan }: SimSled): Shortfall | undefined => {
  const wanted = pointText(world.database.snapshot().stored);
  for (const volume of machine.volumes.values()) {
    const ledger = ledgerOn(volume);
    if (ledger !== undefined && pointOfLedger(ledger) !== wanted)
      return {
        guarantee: 'G1',
        message: `${plan.serial} has the config of ${pointOfLedger(ledger)} on ${volume.path}, and the database is at ${wanted}`,
      };
  }
  return undefined;
};

const leftOn = (
  { holdings, hasDiskErrors }: Facts,
  sled: SimSled,
  wanted: ReadonlyMap<ArtifactHash, number>,
): Shortfall | undefined => {
  for (const volume of sled.machine.volumes.values()) {
    const unfinished = [...volume.medium.top.now.keys()].find(name => name.startsWith('.tmp-'));
    if (unfinished !== undefined && !hasDiskErrors)
      return {
        guarantee: 'G3',
        message: `${sled.plan.serial} still has ${unfinished} on ${volume.path}`,
        isUnfinished: true,
      };
    for (const [sha256, content] of holdings.filesOn(volume))
      if (wanted.has(sha256) && holdings.hashOf(content) !== sha256)
        return {
          guarantee: 'G5',
          message: `${sled.plan.serial} still has other bytes under ${sha256} on ${volume.path}`,
        };
  }
  return undefined;
};

const unlistedOn = (
  { holdings }: Facts,
  sled: SimSled,
  wanted: ReadonlyMap<ArtifactHash, number>,
): Shortfall | undefined => {
  for (const volume of sled.machine.volumes.values())
    for (const [sha256] of holdings.filesOn(volume))
      if (!wanted.has(sha256))
        return {
          guarantee: 'G3',
          message: `${sled.plan.serial} still has ${sha256} on ${volume.path}`,
          mayWait: true,
        };
  return undefined;
};

/** P13: holds and kept configs end once a recovery has decided. */
const heldBack = (sled: SimSled): Shortfall | undefined => {
  const kept = [...sled.machine.volumes.values()].flatMap(keptOn)[0];
  if (kept !== undefined)
    return { guarantee: 'G3', message: `${sled.plan.serial} still keeps the config of ${kept.point}` };
  return newestLedgerOn(sled)?.isHeld === true
    ? { guarantee: 'G3', message: `${sled.plan.serial} still holds every deletion` }
    : undefined;
};

/** Archives that the database has lost: the next round records them again. */
const unlistedArchive = ({ world, keptForPeople, hasDiskErrors }: Facts): Shortfall | undefined => {
  const { localRepos } = world.database.snapshot();
  for (const { machine, standing } of world.nexuses)
    for (const name of machine.volumes.get(STAGING)!.medium.top.now.keys()) {
      const uploadId = uploadIdOf(name);
      if (standing !== 'in_service' || !name.endsWith('.zip')) continue;
      if (localRepos.has(uploadId) || keptForPeople.has(uploadId)) continue;
      // An archive that was never recorded, and that its disk failed to remove, is removed at the next start.
      if (!hasDiskErrors || isAcknowledged(machine, uploadId))
        return { guarantee: 'G4', message: `${machine.name} keeps ${name}, which no row names` };
    }
  return undefined;
};

const isAcknowledged = ({ volumes }: SimNexus['machine'], uploadId: UploadId): boolean => {
  const sidecar = volumes.get(STAGING)!.medium.top.now.get(`${uploadId}.json`);
  if (sidecar?.kind !== 'file') return false;
  return JSON.parse(Buffer.from(sidecar.content).toString('utf8')).acknowledged === true;
};

/** If enough sleds work, every release is safe once they hold it. */
const keptArchive = (facts: Facts): Shortfall | undefined => {
  const { world } = facts;
  if (workingSleds(facts).length < world.minSledReplication) return undefined;
  const { localRepos } = world.database.snapshot();
  for (const { machine, standing } of world.nexuses) {
    if (standing !== 'in_service') continue;
    for (const name of machine.volumes.get(STAGING)!.medium.top.now.keys())
      if (
        (facts.hasDiskErrors ? localRepos.has(uploadIdOf(name)) : /\.(zip|json|parts|part)$/.test(name)) &&
        !facts.keptForPeople.has(uploadIdOf(name))
      )
        return { guarantee: 'G3', message: `${machine.name} still keeps ${name}` };
    const id = nexusIdOn(machine.volumes.get(STAGING)!);
    // The rows of a Nexus that lost its disk stay until an operator expunges it.
    for (const repo of localRepos.values())
      if (repo.nexusId === id)
        return { guarantee: 'G3', message: `the database lists a local repo that ${machine.name} has not` };
  }
  return undefined;
};
