/**
 * The identities of a run: machines that join by an invitation, clocks that are far off, and what operators do about revocations.
 */
import type { PeerKind } from '../../src/identity/peer-identity.ts';
import { newBox, type SimNexus, type SimSled } from '../fleet/world.ts';
import type { Passport } from '../identity/passport.ts';
import { inServiceNexuses, inServiceSleds, type Scene } from './scene.ts';

/** Whether the database, or a process of the fleet, has its certificate as revoked. */
const isRevoked = ({ world }: Scene, { identity, notBeforeMs }: Passport): boolean =>
  [
    ...world.database.snapshot().revocations.values(),
    ...[...world.sleds, ...world.nexuses].flatMap(({ machine }) => machine.box.revoked),
  ].some(({ kind, id, timeMs }) => kind === identity.kind && id === identity.id && notBeforeMs <= timeMs);

/**
 * A restored database has an expunged machine in service again, and its certificate stays revoked: the operator issues another one,
 * as docs/operations.md says.
 */
export const renewRevoked = (scene: Scene): void => {
  for (const sled of inServiceSleds(scene)) renewIfRevoked(scene, sled, 'sled');
  for (const nexus of inServiceNexuses(scene)) renewIfRevoked(scene, nexus, 'nexus');
};

const renewIfRevoked = (scene: Scene, { machine }: SimSled | SimNexus, kind: PeerKind): void => {
  const { box, name } = machine;
  if (!isRevoked(scene, box.passport)) return;
  const { id } = box.passport.identity;
  scene.world.trace.say('operator', `issues another certificate to ${name}`);
  scene.world.trace.reached('a revoked process that is in service got another certificate');
  box.passport = newBox(scene.world, { kind, id, name }).passport;
};
