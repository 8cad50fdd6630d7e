/**
 * One request between two processes, and its answer: in place of HTTP over a real network.
 *
 *     caller ─▶ request ─▶ process of the other machine ─▶ handler ─▶ answer ─▶ caller
 *
 * NC1. The caller always gets an answer, the other side's error, or an error of the connection with the real client's code.
 * NC2. The signal of a handler aborts when its caller disconnects; a caller learns that the other process ended.
 * NC3. A duplicated request is handled twice, and its second answer is discarded.
 * NC4. Both ends present their certificates. A caller sends nothing to a server that is not the expected one; a server judges
 *      its caller anew for each request, and ends those of a caller that is revoked meanwhile.
 */
import type { Caller as HttpCaller } from '../../src/http/caller.ts';
import type { ExpectedProcess } from '../../src/lib/endpoint.ts';
import { DepotError, errorCodeOf, findDepotError, messageChain } from '../../src/lib/errors.ts';
import type { ClientIdentity, Member } from '../identity/member.ts';
import { FLEET, type Passport } from '../identity/passport.ts';
import type { SimProcess } from '../time/process.ts';
import type { Network } from './network.ts';

/** As the real clients have them. */
const CONNECT_TIMEOUT_MS = 5_000;
const ANSWER_TIMEOUT_MS = 60_000;

/** A machine that can be called, with the endpoint that answers on it now; undefined while none does. */
export type Callee<E> = {
  readonly name: string;
  readonly serving: () => Serving<E> | undefined;
};

type Serving<E> = { readonly process: SimProcess; readonly member: Member; readonly endpoint: E };

export type Caller = {
  readonly machine: string;
  readonly process: SimProcess;
  /** Undefined for a caller without a certificate. */
  readonly identity: ClientIdentity | undefined;
  /** What the token of an operator turns out to be. */
  readonly operator?: HttpCaller['operator'];
};

/** What a caller presented on its connection. */
export type Presented = Pick<HttpCaller, 'peer' | 'operator'> & { readonly passport: Passport | undefined };

/** The context of a handler. */
export type Incoming<E> = {
  readonly endpoint: E;
  readonly process: SimProcess;
  readonly member: Member;
  readonly presented: Presented;
  /** Aborts when the caller disconnects, or is revoked. */
  readonly signal: AbortSignal;
  /** Whether bytes of the caller can still arrive. */
  readonly isConnected: () => boolean;
};

type CallOptions = {
  readonly signal: AbortSignal;
  readonly isOnce?: boolean;
  /** Undefined for a caller that believes every server, as one with a token of its own on the same machine. */
  readonly expected: ExpectedProcess | undefined;
};

export const call = <E, T>(
  network: Network,
  from: Caller,
  to: Callee<E>,
  { signal, isOnce = false, expected }: CallOptions,
  handle: (incoming: Incoming<E>) => Promise<T>,
): Promise<T> =>
  new Promise<T>((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason);
      return;
    }
    const gone: AbortController[] = [];
    const hangUp = () =>
      network.send(from.machine, to.name, () => {
        for (const each of gone) each.abort(callerGone());
      });
    const wait = beginWait({ process: from.process, peer: to.name, signal, reject, hangUp });
    const sendBack = (settle: () => void): void =>
      network.send(to.name, from.machine, () => wait.tell(settle));
    const reply: Reply<T> = {
      accept: wait.accepted,
      resolve: value => sendBack(() => resolve(value)),
      reject: error => sendBack(() => reject(error)),
    };
    const connect = (): Connection => {
      const own = new AbortController();
      gone.push(own);
      return {
        gone: own,
        isConnected: () => !own.signal.aborted && network.isOpen(from.machine, to.name),
        fault: server => expected && from.identity?.faultOf(to.name, server, { fleet: FLEET, ...expected }),
        passport: from.identity?.presents(),
        operator: from.operator ?? { kind: 'missing' },
      };
    };
    const send = (answer: Reply<T>) => {
      const connection = connect();
      network.send(from.machine, to.name, () => arrive(to, connection, answer, handle));
    };
    send(reply);
    if (!isOnce && network.isDoubled()) send(TO_NOWHERE);
  });

type Wait = {
  /** An outcome from outside; the first one ends the wait. */
  readonly tell: (settle: () => void) => void;
  /** The other side has accepted the request; only its answer is missing. */
  readonly accepted: () => void;
};

/** The caller's side: it waits for an outcome, for its timeout, for its signal, or for the end of its process. */
const beginWait = ({
  process,
  peer,
  signal,
  reject,
  hangUp,
}: {
  readonly process: SimProcess;
  readonly peer: string;
  readonly signal: AbortSignal;
  readonly reject: (error: unknown) => void;
  /** Tells the other side that the caller has disconnected. */
  readonly hangUp: () => void;
}): Wait => {
  let isOver = false;
  let isAccepted = false;
  const leave: (() => void)[] = [];
  const finish = (settle: () => void): void => {
    if (isOver) return;
    isOver = true;
    for (const each of leave) each();
    settle();
  };
  const abandon = () => {
    finish(() => reject(signal.reason));
    hangUp();
  };
  signal.addEventListener('abort', abandon, { once: true });
  leave.push(() => signal.removeEventListener('abort', abandon));
  leave.push(
    process.onEnd(() => {
      isOver = true;
      signal.removeEventListener('abort', abandon);
      hangUp();
    }),
  );
  const giveUp = () => {
    finish(() => reject(stalled(peer)));
    hangUp();
  };
  let disarm = process.after(CONNECT_TIMEOUT_MS, () => {
    if (isAccepted) disarm = process.after(ANSWER_TIMEOUT_MS - CONNECT_TIMEOUT_MS, giveUp);
    else finish(() => reject(unreachable(peer, 'the connection timed out')));
  });
  leave.push(() => disarm());
  return {
    tell: settle => process.deliver(() => finish(settle)),
    accepted() {
      isAccepted = true;
    },
  };
};

/** The way back to the caller. */
type Reply<T> = {
  readonly accept: () => void;
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
};

/** NC3: of the second of two arrivals. */
const TO_NOWHERE: Reply<unknown> = {
  accept: () => undefined,
  resolve: () => undefined,
  reject: () => undefined,
};

type Connection = {
  readonly gone: AbortController;
  readonly isConnected: () => boolean;
  /** Of the server, by the caller. */
  readonly fault: (server: Passport) => DepotError | undefined;
  readonly passport: Passport | undefined;
  readonly operator: HttpCaller['operator'];
};

/** The other machine's side: the request is refused or handled, and the outcome is sent back. */
const arrive = <E, T>(
  to: Callee<E>,
  { gone, isConnected, fault, passport, operator }: Connection,
  reply: Reply<T>,
  handle: (incoming: Incoming<E>) => Promise<T>,
): void => {
  const serving = to.serving();
  if (serving === undefined) {
    reply.reject(unreachable(to.name, 'connection refused'));
    return;
  }
  const { process, member } = serving;
  const unexpected = fault(member.presents());
  if (unexpected !== undefined) {
    reply.reject(unexpected);
    return;
  }
  reply.accept();
  process.deliver(() => {
    const leave = process.onEnd(() => reply.reject(unreachable(to.name, 'the connection was cut')));
    const peer = member.judge(passport);
    member.running.add(gone, peer);
    const forget = (): void => {
      leave();
      member.running.remove(gone);
    };
    const presented = { passport, peer, operator };
    handle({ ...serving, presented, signal: gone.signal, isConnected }).then(
      value => {
        forget();
        reply.resolve(value);
      },
      error => {
        forget();
        if (errorCodeOf(gone.signal.reason) === 'FORBIDDEN') member.ended();
        reply.reject(answered(to.name, error));
      },
    );
  });
};

const callerGone = (): DepotError => new DepotError('BODY_INCOMPLETE', 'the client disconnected');

export const unreachable = (peer: string, why: string): DepotError =>
  new DepotError('PEER_UNREACHABLE', `${peer} cannot be reached: ${why}`);

export const stalled = (peer: string): DepotError =>
  new DepotError('PEER_STALLED', `${peer} does not answer`);

/** The error that a client makes of an answer with this error. */
const answered = (peer: string, error: unknown): DepotError => {
  const known = findDepotError(error);
  if (known === undefined)
    return new DepotError('INTERNAL', `${peer} answered 500: internal error`, { cause: error });
  return new DepotError(known.code, `${peer} answered ${known.status}: ${messageChain(error)}`, {
    detail: { ...known.detail, status: known.status },
  });
};
