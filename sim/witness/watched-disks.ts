/** Names that change on disks: each change goes to the checkers when it happens. */
import { type ArtifactHash, isArtifactHash } from '../../src/core/ids.ts';
import { uploadIdOf } from '../checkers/holdings.ts';
import { isLedgerPath, ledgerOn, pointOfLedger, readLedger, type SeenLedger } from '../checkers/ledgers.ts';
import type { SimSled, WorldWatch } from '../fleet/world.ts';
import type { DiskWatcher } from '../machine/disk.ts';
import type { Volume } from '../machine/volume.ts';
import type { Watch } from './watch.ts';

export const onNameChange = (
  watch: Watch,
  ...[machine, change, place]: Parameters<WorldWatch['onNameChange']>
): void => {
  const { world, archives, copies } = watch;
  const sled = world.sleds.find(each => each.machine === machine);
  if (place.volume.state === 'unmounted') {
    // A config that the sled adopts while its disk is away counts when the disk is back.
    if (sled !== undefined && change === 'rename' && isLedgerPath(place.path)) onRename(watch, sled, place);
    return;
  }
  if (sled === undefined) {
    if (change !== 'unlink' || !place.path.endsWith('.zip')) return;
    const uploadId = uploadIdOf(place.path);
    archives.onRemoved(uploadId, machine.name);
    copies.onArchiveGone(`${machine.name} removed ${place.path}`, watch.droppedBefore.has(uploadId));
  } else if (change === 'unlink') onUnlink(watch, sled, place);
  else if (change === 'rename') onRename(watch, sled, place);
};

const onUnlink = (
  watch: Watch,
  sled: SimSled,
  { volume, path }: Parameters<DiskWatcher['onNameChange']>[1],
): void => {
  const { world, holdings, copies, removals, leases, waits, lineage } = watch;
  const [, , name, below] = path.split('/');
  if (name === undefined || below !== undefined) return;
  removals.onUnlink(sled, name);
  lineage.onUnlink(sled, volume, { name, read: removals.readBy(sled) });
  leases.onUnlink(sled, name);
  waits.onUnlink(sled, name);
  if (!isArtifactHash(name)) return;
  if (holdings.wanted().has(name)) world.trace.reached('a deletion ran while its artifact was wanted again');
  if (isOfAnotherHistory(watch, sled)) copies.onHarm([name]);
  else copies.onCopyGone(name, `${sled.plan.serial} unlinked it`);
};

/** The sled's config is of another history: this one does not know its point, or knows it only through a recovery. */
const isOfAnotherHistory = ({ world, removals }: Watch, sled: SimSled): boolean => {
  const told = removals.highest(sled);
  if (told === undefined) return false;
  const origin = world.database.snapshot().points.get(pointOfLedger(told))?.origin;
  return origin === undefined || origin === 'accepted';
};

const onRename = (
  watch: Watch,
  sled: SimSled,
  { volume, path, from }: Parameters<DiskWatcher['onNameChange']>[1],
): void => {
  const { world, copies, waits, quarantined } = watch;
  const [, , name, below] = path.split('/');
  const aside = from!.split('/')[2]!;
  if (isArtifactHash(aside)) {
    world.trace.reached('a rotten copy was quarantined');
    quarantined.set(volume, new Set([...(quarantined.get(volume) ?? []), aside]));
    copies.onCopyGone(aside, `${sled.plan.serial} quarantined it`);
  } else if (isLedgerPath(path)) {
    const node = volume.top().now.get(name!);
    if (node?.kind === 'file') onLedger(watch, sled, volume, node.content);
    copies.onWanted();
  } else if (below === undefined && isArtifactHash(name!)) {
    if (quarantined.get(volume)?.has(name) === true) world.trace.reached('a rotten copy was replaced');
    requireRightBytes(watch, sled, volume, name, 'renamed');
    watch.planted.onStored(sled, name);
    waits.onStored(sled);
  }
};

const onLedger = (
  { world, removals, lineage, acceptances, waits }: Watch,
  sled: SimSled,
  volume: Volume,
  content: Uint8Array,
): void => {
  const last = removals.highest(sled);
  const next = readLedger(content);
  if (isHoldAlone(ledgerOn(volume), next)) return;
  if (next !== undefined) {
    const change = { last, next, read: removals.readBy(sled) };
    lineage.onLedger(sled, volume, change);
    acceptances.onLedger(sled, change);
  }
  if (last?.isHeld === true && next?.isHeld === false && last.incarnation === next.incarnation)
    world.trace.reached('deletions were held and released');
  removals.onLedger(sled, content);
  if (next !== undefined) waits.onLedger(sled, next);
};

/** A sled in doubt writes its hold, and more that it knows of it, into the ledger of a disk: it adopts no config. */
const isHoldAlone = (had: SeenLedger | undefined, next: SeenLedger | undefined): boolean =>
  next?.isHeld === true &&
  had !== undefined &&
  had.incarnation === next.incarnation &&
  pointOfLedger(had) === pointOfLedger(next);

export const requireRightBytes = (
  { holdings, damaged, fail }: Watch,
  sled: SimSled,
  volume: Volume,
  name: ArtifactHash,
  how: string,
): void => {
  const node = volume.medium.top.now.get(name);
  if (node?.kind !== 'file' || damaged.has(node.content)) return;
  if (holdings.hashOf(node.content) !== name)
    fail('G5', `${sled.plan.serial} has other bytes under ${name} on ${volume.path}: ${how}`);
};
