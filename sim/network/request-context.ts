/** The context that handlers get beside their parameters: the caller as the server judges it. */
import type { Caller } from '../../src/http/caller.ts';
import { silentLogger } from '../../src/lib/log.ts';
import type { Passport } from '../identity/passport.ts';
import type { Incoming, Presented } from './call.ts';

const contextOf = (
  { peer, operator, passport }: Presented,
  signal: AbortSignal,
  headers: Readonly<Record<string, string>> = {},
) => ({
  requestId: 'simulated',
  caller: { address: undefined, isLocal: true, claimant: undefined, peer, operator, passport } as const,
  headers,
  log: silentLogger,
  setHeader: () => undefined,
  signal,
});

/** Of a request over the network. */
export const requestContext = (
  { presented, signal }: Pick<Incoming<unknown>, 'presented' | 'signal'>,
  headers?: Readonly<Record<string, string>>,
) => contextOf(presented, signal, headers);

/** What a caller of {@link requestContext} presented. */
export const passportOf = (
  caller: Caller & { readonly passport?: Passport | undefined },
): Passport | undefined => caller.passport;

/** What a token of an admin turns out to be. */
export const ADMIN: Caller['operator'] = {
  kind: 'known',
  operator: { id: 'break-glass', role: 'admin' },
};

/** Of an operator on the machine of a Nexus. */
export const operatorContext = (signal: AbortSignal) =>
  contextOf({ peer: { kind: 'anonymous' }, operator: ADMIN, passport: undefined }, signal);

/** Of a program that has the certificate of the process that it calls, on the same machine. */
export const ownContext = (
  { member }: Pick<Incoming<unknown>, 'member'>,
  signal: AbortSignal,
): ReturnType<typeof contextOf> => {
  const passport = member.presents();
  return contextOf({ peer: member.judge(passport), operator: { kind: 'not_asked' }, passport }, signal);
};
