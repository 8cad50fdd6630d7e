/** Revoked identities, as a Nexus sends them to a sled. */
import type { RevokedIdentitiesBody } from '../api/sled-agent-api.ts';
import type { Revocation } from '../core/revocation.ts';
import { isoTime } from '../lib/clock.ts';

export const revocationsBody = (revocations: readonly Revocation[]): RevokedIdentitiesBody => ({
  revoked: revocations.map(({ timeMs, ...identity }) => ({ ...identity, time: isoTime(timeMs) })),
});

export const revocationsOf = ({ revoked }: RevokedIdentitiesBody): readonly Revocation[] =>
  revoked.map(({ time, ...identity }) => ({ ...identity, timeMs: Date.parse(time) }));
