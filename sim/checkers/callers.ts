/**
 * Whom a process hears, at each request that it admits and at each chunk of a body: by a table of its own, not by the product's.
 *
 * - T1: the caller has a certificate of this fleet that was not revoked, as far as the process knows, and that has not expired by its
 *   clock, unless it asks for a new one.
 * - T2: its kind is the one that the route is for; a sled registers and renews in its own name alone.
 */
import type { Heard } from '../identity/member.ts';
import { FLEET, type Passport } from '../identity/passport.ts';
import type { Fail } from '../violation.ts';

export type CallerChecker = { readonly onHeard: (heard: Heard) => void };

/** By the beginning of the operation's name; the first that fits. */
const SPEAKERS: readonly (readonly [RegExp, 'nexus' | 'sled' | 'member' | 'self' | 'anyone'])[] = [
  [/^artifact_lease_/, 'self'],
  [/^artifact_get_by_sha256$/, 'member'],
  [/^(artifact_|revoked_identities_|audit_heads_|release_metadata_|trust_roots_|statements_)/, 'nexus'],
  [/^(sled_agent_|certificate_renew)/, 'sled'],
  [/./, 'anyone'],
];

export const createCallerChecker = (fail: Fail): CallerChecker => ({
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
    if (isRevoked(by, from)) fail('T1', `${what} from ${name}, and knows that it was revoked`);
    if (
      operationId !== undefined &&
      operationId !== 'certificate_renew' &&
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

const isRevoked = ({ revocations }: Heard['by'], { identity, notBeforeMs }: Passport): boolean =>
  revocations
    .list()
    .some(({ kind, id, timeMs }) => kind === identity.kind && id === identity.id && notBeforeMs <= timeMs);

/** A request that names no sled is about its caller. */
const isOwn = (params: unknown, id: string): boolean => {
  const named = (params as { readonly sled_id?: unknown } | undefined)?.sled_id;
  return named === undefined || named === id;
};
