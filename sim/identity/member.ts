/**
 * The identity of a running process: what it presents, and how it judges others, by the product's decisions.
 *
 *     box of the machine ─▶ openMember() ─┬─▶ presents() on each connection
 *                                         ├─▶ judge(caller), faultOf(server): judged-peer.ts
 *                                         └─▶ revocations ─▶ box, and running requests end
 *
 * MB1. The box lies beside the datasets: it outlives processes, power cuts, and disks that are wiped or replaced.
 * MB2. The times of a certificate are judged by the machine's own clock, as OpenSSL does when a connection begins, and by the time of
 *      the process (CS4).
 */
import type { Revocation } from '../../src/core/revocation.ts';
import type { SignedStatement } from '../../src/core/statement.ts';
import { createRunningCallers, type RunningCallers } from '../../src/http/running-callers.ts';
import type { PinnedKey } from '../../src/identity/admin-key.ts';
import { judgedPeer, type Peer, serverFault } from '../../src/identity/judged-peer.ts';
import type { ExpectedPeer } from '../../src/identity/peer-identity.ts';
import { createRevocations, type Revocations } from '../../src/identity/revocations.ts';
import { createStatements, restoredMs, type Statements } from '../../src/identity/statements.ts';
import { DepotError } from '../../src/lib/errors.ts';
import type { Pins } from '../../src/sled-agent/trust/trust-file.ts';
import type { SimProcess } from '../time/process.ts';
import type { SimKey } from './keys.ts';
import { FLEET, type Passport } from './passport.ts';

export type IdentityBox = {
  passport: Passport;
  key: SimKey;
  /** The file of revoked identities. */
  revoked: readonly Revocation[];
  /** Whose statements it believes: what it pinned when it joined. */
  readonly adminKeys: readonly PinnedKey[];
  /** The file of statements. */
  statements: readonly SignedStatement[];
  /** Of a sled: the file of what it has pinned, and of the bundles that it admitted. */
  pins?: Pins;
};

/** How a process appears to the servers that it calls, and whom of them it believes. */
export type ClientIdentity = {
  readonly presents: () => Passport;
  /** Why no request is sent to the server that presents it. */
  readonly faultOf: (host: string, server: Passport, expected: ExpectedPeer) => DepotError | undefined;
};

export type Member = ClientIdentity & {
  readonly revocations: Revocations;
  readonly statements: Statements;
  readonly running: RunningCallers;
  /** For the renewal of its certificate: whether that of a server has ended is judged by the clock alone (RNA1). */
  readonly renewing: ClientIdentity;
  readonly judge: (presented: Passport | undefined) => Peer;
  /** Reports a request or bytes that this process took. */
  readonly heard: (what: Omit<Heard, 'by' | 'nowMs'>) => void;
  readonly ended: HearingWatch['onEnded'];
};

export type HearingWatch = {
  readonly onHeard: (heard: Heard) => void;
  /** A running request ended, since its caller was revoked. */
  readonly onEnded: () => void;
};

/** What a process took from a caller, as the caller really is: for checkers, which do not trust the judgement. */
export type Heard = {
  readonly by: Pick<Member, 'presents' | 'revocations'>;
  readonly from: Passport | undefined;
  /** The operation, or undefined for bytes of one that began before. */
  readonly operationId: string | undefined;
  readonly params: unknown;
  /** The time of the process (CS4). */
  readonly nowMs: number;
};

const WRITE_MS = 2;

export const openMember = (box: IdentityBox, process: SimProcess, watch: HearingWatch): Member => {
  const { clock } = process;
  const processTimeMs = () => Math.max(clock.nowMs(), box.passport.notBeforeMs);
  const statements = openStatements(box, process);
  const revocations = createRevocations({
    known: box.revoked,
    restoredMs: identity => statements && restoredMs(statements, identity),
    nowMs: processTimeMs,
    latestMs: () => (clock.nowMs() < box.passport.notBeforeMs ? Number.POSITIVE_INFINITY : clock.nowMs()),
    async save(list) {
      await clock.sleep(WRITE_MS, { signal: NEVER_ABORTED });
      box.revoked = list;
    },
  });
  const presents = () => box.passport;
  const faultBy =
    (timeMs: () => number): ClientIdentity['faultOf'] =>
    (host, server, expected) => {
      if (!server.isOfFleet) return untrusted(host, 'no authority of this fleet issued it');
      if (server.notAfterMs < clock.nowMs()) return untrusted(host, 'it has expired');
      return serverFault(host, server, { expected, revocations, nowMs: timeMs() });
    };
  const member: Member = {
    presents,
    renewing: { presents, faultOf: faultBy(() => Number.NEGATIVE_INFINITY) },
    faultOf: faultBy(processTimeMs),
    heard: what => watch.onHeard({ by: member, nowMs: processTimeMs(), ...what }),
    ended: watch.onEnded,
    revocations,
    statements,
    running: createRunningCallers(revocations),
    judge(presented) {
      if (presented === undefined) return { kind: 'anonymous' };
      if (!presented.isOfFleet)
        return { kind: 'refused', because: 'no authority of this fleet issued it (UNKNOWN)' };
      return judgedPeer(presented, { fleet: FLEET, revocations, nowMs: processTimeMs() });
    },
  };
  return member;
};

const openStatements = (box: IdentityBox, { clock }: SimProcess): Statements =>
  createStatements({
    known: box.statements,
    keys: { list: () => box.adminKeys },
    fleet: FLEET,
    async save(list) {
      await clock.sleep(WRITE_MS, { signal: NEVER_ABORTED });
      box.statements = list;
    },
  });

const { signal: NEVER_ABORTED } = new AbortController();

const untrusted = (host: string, why: string): DepotError =>
  new DepotError('PEER_IDENTITY', `the certificate of ${host} does not count: ${why}`);
