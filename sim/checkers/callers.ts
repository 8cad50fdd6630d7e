/**
 * Whom a process hears, at each request that it admits and at each chunk of a body: by a table of its own, not by the product's.
 *
 * - T1: the caller has a certificate of this fleet that was not revoked, as far as the process knows, and that has not expired by its
 *   clock, unless it asks for a new one, or brings statements, which prove themselves. Only a statement from after a revocation undoes it, as far as a person has signed one (RVK6).
 * - T2: its kind is the one that the route is for; a sled registers and renews in its own name alone.
 */
import type { Statement } from '../../src/core/statement.ts';
import type { World } from '../fleet/world.ts';
import type { Heard } from '../identity/member.ts';
import { FLEET, type Passport } from '../identity/passport.ts';
import type { Fail } from '../violation.ts';

export type CallerChecker = { readonly onHeard: (heard: Heard) => void };

/** By the beginning of the operation's name; the first that fits. */
const SPEAKERS: readonly (readonly [RegExp, 'nexus' | 'sled' | 'member' | 'self' | 'anyone'])[] = [
  [/^artifact_lease_/, 'self'],
  [/^artifact_get_by_sha256$/, 'member'],
  [/^(artifact_|revoked_identities_|audit_heads_|release_metadata_|trust_roots_|statements_)/, 'nexus'],
  [/^(sled_agent_|certificate_renew|arriving_)/, 'sled'],
  [/./, 'anyone'],
];

export const createCallerChecker = (
  { admin, trace }: Pick<World, 'admin' | 'trace'>,
  fail: Fail,
): CallerChecker => ({
  onHeard({ by, from, operationId, params, nowMs }) {
    const self = by.presents().identity;
    const speaker = operationId === undefined ? 'anyone' : speakerOf(operationId);
    const what = `${self.kind} ${self.id} took ${operationId ?? 'bytes'}`;
    if (from === undefined) {
      if (speaker !== 'anyone') fail('T1', `${what} from a stranger`);
      return;
    }
    const { identity } = from;
    const name = `${identity.kind} ${identity.id}`;
    if (!from.isOfFleet || identity.fleet !== FLEET)
      fail('T1', `${what} from ${name}, which made its own certificate`);
    const revokedMs = revokedAtMs(by, from);
    if (revokedMs !== undefined && operationId !== 'statements_put') {
      if (revokedMs > restoredAtMs(admin.said(), identity))
        fail('T1', `${what} from ${name}, and knows that it was revoked`);
      else trace.reached('a process whose identity a person had restored was heard');
    }
    if (
      operationId !== undefined &&
      !['certificate_renew', 'statements_put'].includes(operationId) &&
      from.notAfterMs < nowMs &&
      speaker !== 'anyone'
    )
      fail('T1', `${what} from ${name}, whose certificate has expired`);
    const isRight = {
      anyone: true,
      member: true,
      self: identity.kind === self.kind && identity.id === self.id,
      nexus: identity.kind === 'nexus',
      sled: identity.kind === 'sled' && isOwn(params, identity.id),
    }[speaker];
    if (!isRight) fail('T2', `${what} from ${name}`);
  },
});

const speakerOf = (operationId: string) => SPEAKERS.find(([form]) => form.test(operationId))![1];

/** The time of the revocation that covers the certificate; a process remembers the latest one of an identity. */
const revokedAtMs = ({ revocations }: Heard['by'], { identity, notBeforeMs }: Passport): number | undefined =>
  revocations
    .list()
    .find(({ kind, id, timeMs }) => kind === identity.kind && id === identity.id && notBeforeMs <= timeMs)
    ?.timeMs;

const restoredAtMs = (said: readonly Statement[], { kind, id }: Passport['identity']): number =>
  Math.max(
    ...said.map(each =>
      each.kind === 'restore_identity' && each.identity.kind === kind && each.identity.id === id
        ? Date.parse(each.time)
        : Number.NEGATIVE_INFINITY,
    ),
  );

/** A request that names no sled is about its caller. */
const isOwn = (params: unknown, id: string): boolean => {
  const named = (params as { readonly sled_id?: unknown } | undefined)?.sled_id;
  return named === undefined || named === id;
};
