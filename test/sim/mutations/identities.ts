/** Mistakes in who may speak: certificates, the audience of routes, and roles. Tests over real connections have to notice them. */
import type { Mutation } from './mutation.ts';

export const IDENTITY_MUTATIONS: readonly Mutation[] = [
  {
    name: 'audience-not-compared',
    in: 'admitPeer',
    find: 'if (kinds.includes(kind) && (id === undefined || id === actual)) return;',
    replace: 'if (id === undefined || id === actual) return;',
    tests: 'secure-server.test.ts',
    why: 'T2a: a sled gives another sled its config',
  },
  {
    name: 'own-id-not-compared',
    in: 'admit',
    find: 'id: ownId === undefined ? undefined : paramOf(params, ownId)',
    replace: 'id: undefined',
    tests: 'secure-server.test.ts',
    why: 'T1: a sled registers in the name of another',
  },
  {
    name: 'certificate-without-authority',
    in: 'peerOf',
    find: "if (!socket.authorized) return { kind: 'refused', because: verificationFault(socket.authorizationError) };",
    replace: '',
    tests: 'secure-server.test.ts',
    why: 'T1: whoever makes a certificate is a member of the fleet',
  },
  {
    name: 'name-compared-by-prefix',
    in: 'isExpected',
    find: 'spiffeId(identity) === spiffeId({ fleet, kind, id })',
    replace: 'spiffeId(identity).slice(0, 24) === spiffeId({ fleet, kind, id }).slice(0, 24)',
    tests: 'secure-server.test.ts',
    why: 'PI1: another process at the address is taken for the expected one',
  },
  {
    name: 'role-not-compared',
    in: 'requireOperator',
    find: 'if (mayActAs(claim.operator.role, least)) return claim.operator;',
    replace: 'return claim.operator;',
    tests: 'admission.test.ts',
    why: 'T2: a token that may only look deletes a release',
  },
  {
    name: 'session-resumed',
    in: 'serverTls',
    find: '  secureOptions: constants.SSL_OP_NO_TICKET,\n',
    replace: '',
    tests: 'secure-server.test.ts',
    why: 'TI3: a certificate that has expired is not judged again',
  },
];
