import { expect, test } from 'vitest';
import { ENDED_INVITATIONS_KEPT_MS } from './join.ts';
import { isNexusInvitationForgotten } from './nexus-join.ts';

test('an invitation that made a Nexus is kept, however old, so that the Nexus can be expunged (NJ3)', () => {
  const nowMs = ENDED_INVITATIONS_KEPT_MS + 2;
  const unused = { timeExpiresMs: 1, used: null };
  expect(isNexusInvitationForgotten(unused, nowMs)).toBe(true);
  const used = { timeMs: 1, publicKeySha256: 'ab'.repeat(32) };
  expect(isNexusInvitationForgotten({ ...unused, used }, nowMs)).toBe(false);
});
