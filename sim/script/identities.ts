/**
 * The identities of a run: machines that join by an invitation, clocks that are far off, and what operators do about revocations.
 */
import { SledId } from '../../src/core/ids.ts';
import { entriesOf, type SignedStatement } from '../../src/core/statement.ts';
import { publicKeySha256 } from '../../src/identity/invitation-token.ts';
import { proveKey } from '../../src/identity/join-proof.ts';
import type { PeerKind } from '../../src/identity/peer-identity.ts';
import { sha256Of } from '../fleet/sha256.ts';
import { newBox, type SimNexus, type SimSled } from '../fleet/world.ts';
import type { IdentityBox } from '../identity/member.ts';
import { FLEET, type Passport, readPassport } from '../identity/passport.ts';
import { requestContext } from '../network/request-context.ts';
import { EPOCH_MS } from '../time/process.ts';
import { chosen } from './chosen.ts';
import { isRestored } from './restored-identities.ts';
import { inServiceNexuses, inServiceSleds, type Scene } from './scene.ts';
import type { Step } from './step.ts';

/** Whether the database, or a process in service, has its certificate as revoked, and no statement that undoes that. */
const isRevoked = (scene: Scene, { identity, notBeforeMs }: Passport): boolean => {
  const { revocations, statements } = scene.world.database.snapshot();
  const recorded = [...statements.values()].map(({ signed }) => signed);
  const processes = [...inServiceSleds(scene), ...inServiceNexuses(scene)].map(({ machine }) => machine.box);
  return [{ revoked: [...revocations.values()], statements: recorded }, ...processes].some(
    ({ revoked, statements: said }) => {
      const revokedMs = revoked.find(({ kind, id }) => kind === identity.kind && id === identity.id)?.timeMs;
      return revokedMs !== undefined && notBeforeMs <= revokedMs && !undoes(said, identity, revokedMs);
    },
  );
};

const undoes = (
  said: readonly SignedStatement[],
  { kind, id }: Passport['identity'],
  revokedMs: number,
): boolean =>
  entriesOf(said).some(
    ({ statement: each }) =>
      each.kind === 'restore_identity' &&
      each.identity.kind === kind &&
      each.identity.id === id &&
      Date.parse(each.time) >= revokedMs,
  );

/**
 * A Nexus renews no expired certificate of a sled that a restored database does not know, none that begins in the future, and none of
 * a machine that replaced another one which had joined by an invitation (RX2).
 */
const isForgotten = ({ world }: Scene, { passport, key }: IdentityBox): boolean => {
  const { identity, notBeforeMs, notAfterMs } = passport;
  const nowMs = EPOCH_MS + world.scheduler.nowMs();
  if (notBeforeMs > nowMs + FAR_MS) return true;
  const { sleds, sledKeys } = world.database.snapshot();
  const joined = [...sledKeys].find(
    ([, { sledId, timeReplacedMs }]) => sledId === identity.id && timeReplacedMs === null,
  );
  const isOfAnother = joined !== undefined && joined[0] !== publicKeySha256(key.publicKey);
  return notAfterMs < nowMs && (isOfAnother || !sleds.has(identity.id as SledId));
};
/** Beyond what follows a revocation. */
const FAR_MS = 24 * 3_600_000;

/**
 * A restored database has an expunged machine in service again, and its certificate stays revoked; or it does not know a sled whose
 * certificate has expired. The operator restores the identity where there is an admin key, or issues another certificate, as
 * docs/operations.md says.
 */
export const renewRevoked = (scene: Scene): void => {
  for (const sled of inServiceSleds(scene)) renewIfRevoked(scene, sled, 'sled');
  for (const nexus of inServiceNexuses(scene)) renewIfRevoked(scene, nexus, 'nexus');
};

const renewIfRevoked = (scene: Scene, own: SimSled | SimNexus, kind: PeerKind): void => {
  const { box, name } = own.machine;
  const isForgottenHere = kind === 'sled' && isForgotten(scene, box);
  if (!isForgottenHere && (!isRevoked(scene, box.passport) || isRestored(scene, own))) return;
  const { id } = box.passport.identity;
  scene.world.trace.say('operator', `issues another certificate to ${name}`);
  scene.world.trace.reached('a process whose certificate nobody renews got another one');
  box.passport = newBox(scene.world, { kind, id, name }).passport;
};

/** A restored database does not know a sled of the fleet. The operator approves it by name, at each Nexus that lists it (RI4). */
export const approveForgotten = (scene: Scene): void => {
  for (const nexus of inServiceNexuses(scene)) void approveAt(scene, nexus);
};

const approveAt = async (scene: Scene, nexus: SimNexus): Promise<void> => {
  const { world, operator } = scene;
  const ask = { query: {}, body: undefined };
  const listed = await operator.ask(nexus, (services, incoming) =>
    services.operatorInvitation.pendingSledList({ ...requestContext(incoming), ...ask, params: {} }),
  );
  const own = inServiceSleds(scene);
  for (const { id, serial } of listed?.items ?? []) {
    if (!own.some(({ plan }) => plan.id === id)) continue;
    world.trace.say('operator', `approves ${serial}`);
    world.trace.reached('a sled that the database had forgotten was approved');
    await operator.ask(nexus, (services, incoming) =>
      services.operatorInvitation.pendingSledApprove({
        ...{ ...requestContext(incoming), ...ask },
        params: { sled_id: SledId.parse(id) },
      }),
    );
  }
};

/** Two machines use one token at the same time: one of them may join. */
export const joinWithOneToken = async (scene: Scene, step: Step): Promise<void> => {
  const { world, operator, witness } = scene;
  const nexus = chosen(inServiceNexuses(scene), step.choice[0]);
  if (nexus === undefined || world.sleds.length >= MOST_SLEDS) return;
  const invited = await operator.ask(nexus, (services, incoming) =>
    services.operatorInvitation.invitationCreate({
      ...requestContext(incoming),
      params: {},
      query: {},
      body: {},
    }),
  );
  if (invited?.token === undefined) return;
  const { token } = invited;
  const joined = (
    await Promise.all(['one', 'other'].map(who => joinFleet(scene, step, { token, who })))
  ).filter(each => each !== undefined);
  world.trace.reached('a token was used by two machines');
  // A failover may lose the use of the token: then the database knows one of the two.
  const { sledKeys } = world.database.snapshot();
  const known = joined.filter(({ box }) => sledKeys.has(publicKeySha256(box.key.publicKey)));
  if (known.length > 1) witness.fail('T1', 'two machines joined with one token');
  for (const { id, box } of joined) {
    world.trace.reached('a machine joined with a token');
    world.addSled({ datasets: 1 + (step.choice[2] % 3), id, box });
  }
};

const MOST_SLEDS = 48;
const TRIES = 3;

type Joined = { readonly id: SledId; readonly box: IdentityBox };

/** Its answer may be lost: then it asks again, at any Nexus. */
const joinFleet = async (
  scene: Scene,
  step: Step,
  { token, who }: { readonly token: string; readonly who: string },
): Promise<Joined | undefined> => {
  const { world, operator } = scene;
  const key = world.shelf.keys(`joins in step ${step.number}, ${who}`);
  const proof = proveKey(key, { fleet: FLEET, tokenSha256: sha256Of(Buffer.from(token)) });
  const body = {
    token,
    public_key: Buffer.from(proof.publicKeyDer).toString('base64'),
    signature: Buffer.from(proof.signature).toString('base64'),
  };
  for (let tries = 0; tries < TRIES; tries += 1) {
    const nexus = chosen(inServiceNexuses(scene), step.choice[1] + tries);
    if (nexus === undefined) return undefined;
    const answer = await operator.ask(nexus, (services, incoming) =>
      services.join.sledJoin({ ...requestContext(incoming), params: {}, query: {}, body }),
    );
    if (answer !== undefined)
      return {
        id: SledId.parse(answer.sled_id),
        box: {
          passport: readPassport(answer.certificate_pem, key.publicKey),
          key,
          revoked: [],
          adminKeys: world.admin.pinned,
          statements: [],
        },
      };
  }
  return undefined;
};
