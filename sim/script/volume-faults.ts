/** Faults of single disks of sleds. */

import type { ArtifactHash } from '../../src/core/ids.ts';
import { ledgerOn } from '../checkers/ledgers.ts';
import type { SimSled } from '../fleet/world.ts';
import type { Volume, VolumeState } from '../machine/volume.ts';
import { ROOMY_BYTES, usedBytes } from '../machine/volume.ts';
import { chosen } from './chosen.ts';
import { forAWhile, inServiceSleds, type Scene } from './scene.ts';
import type { Step } from './step.ts';

const STATES: Partial<Record<Step['kind'], VolumeState>> = {
  'dataset absent': 'absent',
  'dataset unmounted': 'unmounted',
  'dataset read-only': 'read_only',
  'dataset failing': 'failing',
};

export const breakVolume = (scene: Scene, step: Step): void => {
  const sled = chosen(inServiceSleds(scene), step.choice[0]);
  const volume = sled && chosen([...sled.machine.volumes.values()], step.choice[1]);
  if (sled === undefined || volume === undefined) return;
  scene.world.trace.say(sled.plan.serial, `${volume.path}: ${step.kind}`);
  const state = STATES[step.kind];
  if (state !== undefined) changeState(scene, volume, state, step.forMs);
  else if (step.kind === 'dataset full') fill(scene, volume, step.forMs);
  else if (step.kind === 'dataset with old content') returnOldContent(scene, sled, volume, step);
  else if (step.kind === 'dataset replaced') replace(scene, sled, volume);
  else if (step.kind === 'datasets absent in turn') takeInTurn(scene, sled, volume, step.forMs);
  else damage(scene, sled, volume, step);
};

const changeState = (scene: Scene, volume: Volume, state: VolumeState, forMs: number): void => {
  if (volume.state !== 'ok') return;
  volume.state = state;
  volume.wasReadOnly ||= state === 'read_only';
  if (state === 'unmounted') {
    volume.wasUnmounted = true;
    // Unmounting a file system syncs it.
    volume.medium.syncNames(volume.medium.top);
  }
  if (state === 'absent' || state === 'unmounted') {
    volume.session += 1;
    scene.world.trace.reached('a dataset was gone');
  }
  forAWhile(scene, forMs, () => {
    volume.state = 'ok';
    volume.session += 1;
  });
};

/** One disk goes away with the configs that only it adopted, and the other one returns with its older ones. */
const takeInTurn = (scene: Scene, sled: SimSled, first: Volume, forMs: number): void => {
  const second = [...sled.machine.volumes.values()].find(volume => volume !== first);
  if (second === undefined || first.state !== 'ok' || second.state !== 'ok') return;
  changeState(scene, first, 'absent', forMs / 2);
  forAWhile(scene, forMs / 2, () => {
    sled.machine.kill();
    changeState(scene, second, 'absent', forMs / 2);
    forAWhile(scene, 1_000, sled.machine.start);
  });
};

const fill = (scene: Scene, volume: Volume, forMs: number): void => {
  volume.capacityBytes = usedBytes(volume.top());
  scene.world.trace.reached('a sled was full');
  forAWhile(scene, forMs, () => {
    volume.capacityBytes = ROOMY_BYTES;
  });
};

/** The disk goes away and returns with its content of then, without later configs and copies. */
const returnOldContent = (scene: Scene, sled: SimSled, volume: Volume, step: Step): void => {
  if (volume.state !== 'ok') return;
  const image = volume.medium.image();
  forAWhile(scene, step.forMs, () => {
    if (sled.standing !== 'in_service' || volume.state !== 'ok') return;
    // If no other disk had the newest ledger, no machine could notice.
    if (!isNewestElsewhere(scene, sled, volume)) return;
    volume.session += 1;
    const had = [...scene.witness.holdings.filesOn(volume).keys()];
    volume.medium.restore(image);
    harm(scene, sled, had);
    scene.witness.waits.onOldContent(sled);
    scene.world.trace.say(sled.plan.serial, `${volume.path} has its old content`);
    scene.world.trace.reached('a dataset returned with an older ledger');
    // A running store has the disk open, so the sled restarts, as after the disk was taken out and put back.
    sled.machine.kill();
    forAWhile(scene, 1_000, sled.machine.start);
  });
};

const isNewestElsewhere = ({ witness }: Scene, sled: SimSled, volume: Volume): boolean => {
  const newest = witness.removals.highest(sled)?.generation;
  return [...sled.machine.volumes.values()].some(
    each => each !== volume && each.state === 'ok' && ledgerOn(each)?.generation === newest,
  );
};

const replace = (scene: Scene, sled: SimSled, volume: Volume): void => {
  if (volume.state !== 'ok') return;
  volume.session += 1;
  const had = [...scene.witness.holdings.filesOn(volume).keys()];
  volume.medium.restore(new Map());
  harm(scene, sled, had);
  sled.machine.kill();
  forAWhile(scene, 1_000, sled.machine.start);
};

const damage = (scene: Scene, sled: SimSled, volume: Volume, step: Step): void => {
  const files = [...scene.witness.holdings.filesOn(volume)].filter(([, content]) => content.length > 0);
  const [name, content] = chosen(files, step.choice[2]) ?? [];
  if (name === undefined || content === undefined) return;
  const node = volume.medium.top.now.get(name);
  if (node?.kind !== 'file') return;
  const rotten =
    step.kind === 'flip a bit' ? flipped(content, step.choice[0]) : cutShort(content, step.choice[0]);
  node.content = rotten;
  node.durable = rotten;
  scene.witness.damaged.add(rotten);
  scene.witness.copies.onTaken(sled, [name]);
};

const flipped = (content: Uint8Array, choice: number): Uint8Array => {
  const rotten = Uint8Array.from(content);
  const bit = choice % (rotten.length * 8);
  rotten[bit >> 3]! ^= 1 << (bit & 7);
  return rotten;
};

const cutShort = (content: Uint8Array, choice: number): Uint8Array =>
  content.slice(0, choice % content.length);

/** Reports to the checkers that a disk of the sled went away or returned with older content. */
const harm = ({ witness }: Scene, sled: SimSled, hashes: readonly ArtifactHash[]): void => {
  witness.copies.onTaken(sled, hashes);
  witness.leases.reread(sled, sled.machine.volumes.values());
};
