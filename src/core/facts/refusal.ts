/**
 * Requests that were refused for their caller, of one server and one time: what the audit log has of them.
 *
 * KF1. As KR1 and KR2 of reason.ts: a refusal is data, and what was released keeps its name and meaning.
 */
import { z } from 'zod';
import { OperatorTokenId } from '../ids.ts';
import { plural, timeText } from './phrase.ts';
import { Count, Words } from './reason.ts';

/** Why a request was refused, each with its English. */
const WHYS = {
  no_token: 'without a token',
  token_damaged: 'with a damaged token',
  token_unknown: 'with an unknown token',
  token_revoked: 'with a revoked token',
  token_expired: 'with an expired token',
  role_too_small: 'with a token whose role is too low',
  no_certificate: 'without a certificate',
  certificate_refused: 'with a certificate that does not count',
  certificate_expired: 'with an expired certificate',
  certificate_revoked: 'with a revoked certificate',
  other_identity: 'with the certificate of a process that this route does not serve',
  host_not_served: 'for another host, as in DNS rebinding',
  cross_site: 'caused by a page of another site',
  invitation_used: 'with the token of an invitation that was used',
  invitation_invalid: 'with an unknown or expired invitation',
  key_of_another_sled: 'with the key of another sled',
  sled_not_plain: 'as a sled without an identity that nobody approved there',
} as const;

type RefusalWhy = keyof typeof WHYS;
const RefusalWhy = z.enum(Object.keys(WHYS) as [RefusalWhy, ...RefusalWhy[]]);

/** Refused requests of one caller, for one reason. */
export const RefusalFact = z.object({
  why: RefusalWhy,
  /** Of the first one; empty for an unknown one. */
  address: Words,
  /** That names the caller: the id of a token that the database knows, or the name in a certificate of the fleet. */
  tokenId: OperatorTokenId.optional(),
  identity: Words.optional(),
  /** The first one: its method, and the path of its route. */
  request: Words,
  count: Count,
  firstMs: z.number(),
  lastMs: z.number(),
});
export type RefusalFact = Readonly<z.infer<typeof RefusalFact>>;

/** One refused request. */
export type RefusedRequest = Omit<RefusalFact, 'count' | 'firstMs' | 'lastMs'> & {
  /** Under which an address without a name is counted. */
  readonly network: string;
};

export const refusalText = ({ why, address, tokenId, identity, request, count }: RefusalFact): string => {
  const name = tokenId === undefined ? identity : `token ${tokenId}`;
  const from = address === '' ? 'an unknown address' : address;
  return `${count} ${WHYS[why]}, from ${from}${name === undefined ? '' : ` (${name})`}, the first was ${request}`;
};

export const refusedTotalText = (total: number, fromMs: number, untilMs: number): string =>
  `${plural(total, 'request was', 'requests were')} refused from ${timeText(fromMs)} until ${timeText(untilMs)}`;
