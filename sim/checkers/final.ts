/**
 * What has to hold once everything is mended: the fleet comes to rest where it should, within a bounded time, and
 * stays there.
 *
 * - G1, G7: every sled that works holds every artifact of every present release, on every dataset, with right bytes, and
 *   goes by the config of the database.
 * - P13: no release is lost that was acknowledged and not deleted, and no sled holds back deletions.
 * - G3: nothing else, and no archive is kept that is safe on sleds.
 * - G8: what stays broken costs the others nothing, and is named.
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
  /** Of a file that may be in the middle of being written: it is one when it is still there a moment later. */
  readonly isUnfinished?: true;
};

type Facts = {
  readonly world: World;
  readonly holdings: Holdings;
  /** Sleds that stay broken: nothing is expected of them. */
  readonly broken: ReadonlySet<SimSled>;
  /** Archives that a Nexus keeps for people. */
  readonly keptForPeople: ReadonlySet<string>;
  /** Whether a disk may have refused to remove what an upload or a write that failed left: the next start does. */
  readonly hasDiskErrors: boolean;
  /** Of one dataset. */
  readonly quotaBytes: number;
  /** Releases that operators made, and that the database has lost, but for those that are refused for good. */
  readonly lost: () => readonly { readonly systemVersion: string }[];
};

/** What is not yet as it should be; undefined at rest. */
export const findShortfall = (facts: Facts): Shortfall | undefined => {
  const wanted = facts.holdings.wanted();
  const hasRoom = fitsOnSleds(facts);
  const [lost] = facts.lost();
  if (lost !== undefined)
    return {
      guarantee: 'G4',
      message: `${lost.systemVersion} was acknowledged, and the database has lost it`,
    };
  for (const sled of workingSleds(facts)) {
    const shortfall =
      (hasRoom ? missingOn(facts, sled, wanted) : undefined) ??
      notFollowing(facts, sled) ??
      leftOn(facts, sled, wanted) ??
      heldBack(sled);
    if (shortfall !== undefined) return shortfall;
  }
  return unlistedArchive(facts) ?? (hasRoom ? keptArchive(facts) : undefined);
};

/**
 * What the sleds have no room for is nobody's fault but the operator's. One that is filled to its last byte is full, and
 * is sent nothing more, not even an artifact of no bytes.
 */
export const fitsOnSleds = ({ holdings, quotaBytes }: Pick<Facts, 'holdings' | 'quotaBytes'>): boolean =>
  [...holdings.wanted().values()].reduce((sum, sizeBytes) => sum + sizeBytes, 0) < quotaBytes;

const workingSleds = ({ world, broken }: Pick<Facts, 'world' | 'broken'>): readonly SimSled[] =>
  world.sleds.filter(sled => sled.standing === 'in_service' && !broken.has(sled));

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
 * Its files may be right by chance: a config that the database has just lost, which the sled is about to be told, or a
 * disk that is back and that the sled has not looked at yet.
 */
const notFollowing = ({ world }: Facts, { machine, plan }: SimSled): Shortfall | undefined => {
  const wanted = pointText(world.database.snapshot().stored);
  for (const volume of machine.volumes.values()) {
    const ledger = ledgerOn(volume);
    if (ledger !== undefined && pointOfLedger(ledger) !== wanted)
      return {
        guarantee: 'G1',
        message: `${plan.serial} goes by ${pointOfLedger(ledger)} on ${volume.path}, and the database wants ${wanted}`,
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
    for (const [sha256, content] of holdings.filesOn(volume)) {
      if (!wanted.has(sha256))
        return { guarantee: 'G3', message: `${sled.plan.serial} still has ${sha256} on ${volume.path}` };
      if (holdings.hashOf(content) !== sha256)
        return {
          guarantee: 'G5',
          message: `${sled.plan.serial} still has other bytes under ${sha256} on ${volume.path}`,
        };
    }
  }
  return undefined;
};

/** P13: what holds back deletions goes once a recovery has decided. */
const heldBack = (sled: SimSled): Shortfall | undefined => {
  const kept = [...sled.machine.volumes.values()].flatMap(keptOn)[0];
  if (kept !== undefined)
    return { guarantee: 'G3', message: `${sled.plan.serial} still keeps the config of ${kept.point}` };
  return newestLedgerOn(sled)?.isHeld === true
    ? { guarantee: 'G3', message: `${sled.plan.serial} still holds every deletion` }
    : undefined;
};

/** Of what the database lost, and is given again with the next round. */
const unlistedArchive = ({ world, keptForPeople, hasDiskErrors }: Facts): Shortfall | undefined => {
  const { localRepos } = world.database.snapshot();
  for (const { machine, standing } of world.nexuses)
    for (const name of machine.volumes.get(STAGING)!.medium.top.now.keys()) {
      const uploadId = uploadIdOf(name);
      if (standing !== 'in_service' || !name.endsWith('.zip')) continue;
      if (localRepos.has(uploadId) || keptForPeople.has(uploadId)) continue;
      // One that was never recorded, and that its disk would not remove, goes at the next start.
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

/** Where enough sleds work, every release is safe once they hold it. */
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
    // Rows of a Nexus that lost its disk stand until an operator expunges it.
    for (const repo of localRepos.values())
      if (repo.nexusId === id)
        return { guarantee: 'G3', message: `the database lists a local repo that ${machine.name} has not` };
  }
  return undefined;
};
