/**
 * One request between two processes, and its answer: in place of HTTP over a real network.
 *
 *     caller ─▶ request ─▶ process of the other machine ─▶ handler ─▶ answer ─▶ caller
 *
 * NC1. The caller always gets an answer, the other side's error, or an error of the connection with the real client's code.
 * NC2. The signal of a handler aborts when its caller disconnects; a caller learns that the other process ended.
 * NC3. A duplicated request is handled twice, and its second answer is discarded.
 */
import { DepotError, findDepotError, messageChain } from '../../src/lib/errors.ts';
import type { SimProcess } from '../time/process.ts';
import type { Network } from './network.ts';

/** As the real clients have them. */
const CONNECT_TIMEOUT_MS = 5_000;
const ANSWER_TIMEOUT_MS = 60_000;

/** A machine that can be called, with the endpoint that answers on it now; undefined while none does. */
export type Callee<E> = {
  readonly name: string;
  readonly serving: () => { readonly process: SimProcess; readonly endpoint: E } | undefined;
};

export type Caller = { readonly machine: string; readonly process: SimProcess };

/** The context of a handler. */
export type Incoming<E> = {
  readonly endpoint: E;
  readonly process: SimProcess;
  /** Aborts when the caller disconnects. */
  readonly signal: AbortSignal;
  /** Whether bytes of the caller can still arrive. */
  readonly isConnected: () => boolean;
};

export const call = <E, T>(
  network: Network,
  from: Caller,
  to: Callee<E>,
  { signal, isOnce = false }: { readonly signal: AbortSignal; readonly isOnce?: boolean },
  handle: (incoming: Incoming<E>) => Promise<T>,
): Promise<T> =>
  new Promise<T>((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason);
      return;
    }
    const gone = new AbortController();
    const hangUp = () => network.send(from.machine, to.name, () => gone.abort(callerGone()));
    const wait = beginWait({ process: from.process, peer: to.name, signal, reject, hangUp });
    const sendBack = (settle: () => void): void =>
      network.send(to.name, from.machine, () => wait.tell(settle));
    const reply: Reply<T> = {
      accept: wait.accepted,
      resolve: value => sendBack(() => resolve(value)),
      reject: error => sendBack(() => reject(error)),
    };
    const connection: Connection = {
      signal: gone.signal,
      isConnected: () => !gone.signal.aborted && network.isOpen(from.machine, to.name),
    };
    network.send(from.machine, to.name, () => arrive(to, connection, reply, handle));
    if (!isOnce && network.isDoubled())
      network.send(from.machine, to.name, () => arrive(to, connection, TO_NOWHERE, handle));
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

type Connection = Omit<Incoming<unknown>, 'endpoint' | 'process'>;

/** The other machine's side: the request is refused or handled, and the outcome is sent back. */
const arrive = <E, T>(
  to: Callee<E>,
  connection: Connection,
  reply: Reply<T>,
  handle: (incoming: Incoming<E>) => Promise<T>,
): void => {
  const serving = to.serving();
  if (serving === undefined) {
    reply.reject(unreachable(to.name, 'connection refused'));
    return;
  }
  reply.accept();
  serving.process.deliver(() => {
    const forget = serving.process.onEnd(() => reply.reject(unreachable(to.name, 'the connection was cut')));
    handle({ ...serving, ...connection }).then(
      value => {
        forget();
        reply.resolve(value);
      },
      error => {
        forget();
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
    detail: known.detail,
  });
};
