/**
 * Which operator a bearer token belongs to.
 *
 *     token ─▶ that of the token file? break-glass, whatever the database does
 *        └──▶ in the form of an operator's token? ─▶ known-tokens.ts
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { OperatorCheck } from '../../http/caller.ts';
import { formOfToken } from '../../lib/operator-token.ts';
import type { KnownTokens } from './known-tokens.ts';

/**
 * @param breakGlass the token of the token file: it has every role on this Nexus
 * @param tokens undefined while this Nexus starts
 */
export const createOperatorCheck =
  (breakGlass: string, tokens: () => Pick<KnownTokens, 'find'> | undefined): OperatorCheck =>
  async (token, options) => {
    if (isSame(token, breakGlass)) return { kind: 'known', operator: { id: 'break-glass', role: 'admin' } };
    switch (formOfToken(token)) {
      case 'damaged':
        return { kind: 'malformed' };
      case 'other':
        return { kind: 'unknown' };
      case 'whole':
        return (
          (await tokens()?.find(token, options)) ?? { kind: 'unverified', why: 'this Nexus is starting' }
        );
    }
  };

/** In constant time; digests have equal lengths. */
const isSame = (sent: string, expected: string): boolean => timingSafeEqual(digest(sent), digest(expected));

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
