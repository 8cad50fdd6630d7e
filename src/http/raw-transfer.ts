/**
 * One connection of a raw download: first the head, then a pause until the caller reads the body, then the body.
 *
 * RF1. The page that the socket reads into belongs to the socket alone; the page of a chunk is reused only after the promise
 *      of its `onChunk` has resolved.
 * RF2. When no page is free the socket pauses: memory is bounded, and the peer is not blamed for the wait (B13).
 * RF3. A body is complete only at exactly its announced length, or after its last chunk, and never longer than allowed.
 * RF4. TLS delivers records of 16 KiB, and after a pause those that are decrypted already: they fill a page one after the
 *      other, and the socket pauses while there is still room for them. So the end of the connection may come during the pause
 *      too: it is judged when the body is read.
 * RF5. The framing of chunks is removed as it arrives, so that pages have data alone, and only data counts as progress.
 * RF6. The bytes before a part that is wanted are read, counted and dropped, and the connection ends where the part does.
 */
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { ClientTls } from '../identity/tls.ts';
import { DepotError } from '../lib/errors.ts';
import { createChunkDecoder } from './chunked-body.ts';
import type { PagePool } from './page-pool.ts';
import { peerFault } from './peer-fault.ts';
import { type ProgressDeadline, stallText, watchProgress } from './progress.ts';
import { bodyLength, bodyStart, type Extent, parseResponseHead, type ResponseHead } from './response-head.ts';

export type Target = {
  readonly host: string;
  readonly port: number;
  readonly path: string;
  /** `host:port`, for messages. */
  readonly peer: string;
  /** Undefined for a plain connection. */
  readonly tls: ClientTls | undefined;
};

type OnChunk = (chunk: Uint8Array) => Promise<void>;

/** What is wanted of a body. */
type Wanted = Extent & {
  /** Of a body that does not announce its length. */
  readonly maxBytes: number;
};

export type Transfer = {
  readonly head: Promise<ResponseHead>;
  /** Called once, after the head. Resolves when the wanted part has arrived and every `onChunk` has resolved. */
  readonly consume: (wanted: Wanted, onChunk: OnChunk) => Promise<void>;
  readonly fail: (error: unknown) => void;
  readonly close: () => void;
};

/** More than what TLS may still deliver after a pause: one read of the socket, of 64 KiB, and a part of a record. */
export const DECRYPTED_BYTES = 128 * 1024;

export const openTransfer = (
  target: Target,
  request: string,
  { progress, pool }: { progress: ProgressDeadline; pool: PagePool },
): Transfer => {
  const { peer } = target;
  const head = Promise.withResolvers<ResponseHead>();
  const headReader = createHeadReader(pool.take(), peer);
  /** The target of the body, once the head is complete. */
  let filling: Filling | undefined;
  let body: Body | undefined;
  let failure: { error: unknown } | undefined;

  const fail = (error: unknown): void => {
    failure ??= { error };
    end();
    head.reject(error);
    body?.fail(error);
  };
  const end = (): void => {
    watch[Symbol.dispose]();
    socket.destroy();
  };
  const watch = watchProgress(progress, () => fail(stalled(peer, progress, body)));

  const receiveHead = (count: number): boolean => {
    watch.moved(count);
    const read = headReader.receive(count);
    if (read === undefined) return true;
    filling = createFilling(pool, target, read);
    head.resolve(read.head);
    return false;
  };
  const receive = guarded(fail, (count: number): boolean => {
    if (filling === undefined) return receiveHead(count);
    if (body?.isWhole()) return false;
    watch.moved(filling.received(count));
    if (body === undefined) return false; // RF4: the socket is paused already
    filling.deliverTo(body);
    const goesOn = filling.hasRoom() && !body.isWhole();
    if (body.isWhole()) end();
    else if (goesOn) watch.waiting();
    return goesOn;
  });
  const resume = (): void => {
    if (failure !== undefined || body?.isWhole() || filling?.hasRoom() !== true) return;
    watch.waiting();
    socket.resume();
  };
  const onread = { buffer: () => filling?.space() ?? headReader.space(), callback: receive };
  const socket = openSocket(target, onread, request);
  const ending = watchEnd(socket, cause => {
    if (body === undefined ? filling !== undefined : body.isWhole()) return;
    fail(cause === undefined ? cut(peer, body, filling?.filledBytes() ?? 0) : peerFault(cause, peer));
  });

  const begin = guarded(fail, (wanted: Wanted, onChunk: OnChunk): boolean => {
    body = createBody({ peer, wanted, filling, pool, onChunk, onFree: resume, onFailure: fail });
    filling?.deliverTo(body);
    if (body.isWhole()) end();
    else resume();
    ending.judge();
    return true;
  });
  return {
    head: head.promise,
    async consume(wanted, onChunk) {
      if (failure !== undefined) throw failure.error;
      begin(wanted, onChunk);
      await body?.done;
    },
    fail,
    close: () => fail(new DepotError('INTERNAL', 'the answer was closed before it was consumed')),
  };
};

/** A status without a body that is wanted, such as a redirect, may have an invalid length. */
const isChunked = (head: ResponseHead, peer: string): boolean =>
  (head.status === 200 || head.status === 206) && bodyLength(head, peer) === undefined;

type OnRead = { readonly buffer: () => Buffer; readonly callback: (count: number) => boolean };

/** The request is sent when the peer is identified. */
const openSocket = ({ host, port, tls }: Target, onread: OnRead, request: string): Socket => {
  const options = { host, port, noDelay: true, onread };
  if (tls === undefined) {
    const socket = connect(options);
    socket.write(request);
    return socket;
  }
  const socket = connectTls({ ...options, ...tls });
  socket.once('secureConnect', () => socket.write(request));
  return socket;
};

/** Calls `onEnd` when the connection has ended, and for each `judge` after that. */
const watchEnd = (
  socket: Socket,
  onEnd: (cause: Error | undefined) => void,
): { readonly judge: () => void } => {
  let ended: { readonly cause: Error | undefined } | undefined;
  const judge = (): void => {
    if (ended !== undefined) onEnd(ended.cause);
  };
  const end = (cause?: Error): void => {
    ended ??= { cause };
    judge();
  };
  socket.on('error', end);
  socket.on('close', () => end());
  return { judge };
};

/** An error of `work` fails the transfer, and pauses the socket. */
const guarded =
  <A extends readonly unknown[]>(fail: (error: unknown) => void, work: (...args: A) => boolean) =>
  (...args: A): boolean => {
    try {
      return work(...args);
    } catch (error) {
      fail(error);
      return false;
    }
  };

/** The page that the socket reads the body into. */
type Filling = {
  readonly space: () => Buffer;
  /** @returns the bytes of data among them */
  readonly received: (count: number) => number;
  readonly filledBytes: () => number;
  /** Passes the page on once it is full, or has all that is missing, or at once without TLS (RF4); takes another one. */
  readonly deliverTo: (body: Body) => void;
  /** Of a body in chunks: whether the last one has arrived, and all is passed on. */
  readonly isOver: () => boolean;
  /** Whether the socket may read on. */
  readonly hasRoom: () => boolean;
};

/** What a destroyed connection still reads goes here and counts for nothing: all pages may be in use. */
const WASTE_BYTES = 16 * 1024;

/** @param rest what came with the head: it is delivered first */
const createFilling = (
  pool: PagePool,
  { tls, peer }: Pick<Target, 'tls' | 'peer'>,
  { head, rest }: { readonly head: ResponseHead; readonly rest: Page },
): Filling => {
  const isTls = tls !== undefined;
  const chunks = isChunked(head, peer) ? createChunkDecoder(peer) : undefined;
  const dataIn = (bytes: Buffer): number => chunks?.decode(bytes) ?? bytes.length; // RF5
  let page = pool.take();
  let filled = 0;
  let held: Page | undefined = { ...rest, chunk: rest.chunk.subarray(0, dataIn(rest.chunk)) };
  return {
    space: () => page.subarray(filled),
    received(count) {
      const dataBytes = dataIn(page.subarray(filled, filled + count));
      filled += dataBytes;
      return dataBytes;
    },
    filledBytes: () => filled,
    deliverTo(body) {
      const first = held;
      held = undefined;
      if (first !== undefined) body.deliver(first);
      const isLast = chunks?.isOver() === true || body.isWholeWith(filled);
      if (filled > 0 && (!isTls || filled === page.length || isLast)) {
        const full = { page, chunk: page.subarray(0, filled) };
        page = isLast ? Buffer.allocUnsafe(WASTE_BYTES) : pool.take();
        filled = 0;
        body.deliver(full);
      }
      body.settle();
    },
    isOver: () => chunks?.isOver() === true && held === undefined && filled === 0,
    hasRoom: () => (isTls ? pool.freeBytes() + page.length - filled >= DECRYPTED_BYTES : pool.hasFree()),
  };
};

/** Received bytes, and their page. */
type Page = { readonly page: Buffer; readonly chunk: Buffer };

/** Reads the head into one page, in any number of pieces. */
const createHeadReader = (page: Buffer, peer: string) => {
  let filled = 0;
  return {
    space: (): Buffer => page.subarray(filled),
    /** Undefined until the head is complete. @throws `PEER_BAD_ANSWER` */
    receive(count: number): { head: ResponseHead; rest: Page } | undefined {
      filled += count;
      const start = bodyStart(page.subarray(0, filled), peer);
      if (start === undefined) return undefined;
      return {
        head: parseResponseHead(page.subarray(0, start), peer),
        rest: { page, chunk: page.subarray(start, filled) },
      };
    },
  };
};

type Body = {
  /** Passes a chunk on; its page returns to the pool by itself. Throws when there are too many bytes. */
  readonly deliver: (bytes: Page) => void;
  /** Ends the wait if everything has arrived and was taken. Throws when it ends too early. */
  readonly settle: () => void;
  readonly isWhole: () => boolean;
  /** … once so many bytes more are delivered. */
  readonly isWholeWith: (bytes: number) => boolean;
  readonly fail: (error: unknown) => void;
  /** For messages: "after 5 of 10 bytes". @param more than were delivered */
  readonly progress: (more?: number) => string;
  readonly done: Promise<void>;
};

type BodyOptions = {
  readonly peer: string;
  readonly wanted: Wanted;
  readonly filling: Pick<Filling, 'isOver'> | undefined;
  readonly pool: PagePool;
  readonly onChunk: OnChunk;
  readonly onFree: () => void;
  readonly onFailure: (error: unknown) => void;
};

const createBody = ({ peer, wanted, filling, pool, onChunk, onFree, onFailure }: BodyOptions): Body => {
  const { skippedBytes, endBytes, goesOn, maxBytes } = wanted;
  const done = Promise.withResolvers<void>();
  let received = 0;
  let outstanding = 0;
  const isWholeWith = (bytes: number): boolean =>
    filling?.isOver() === true || (endBytes !== undefined && received + bytes >= endBytes);
  const requireWithin = (): void => {
    const limit = endBytes ?? maxBytes;
    if (received <= limit || goesOn) return;
    const what = endBytes === undefined ? 'allowed here' : 'that it announced';
    throw new DepotError('PEER_BAD_ANSWER', `${peer} sends more than the ${limit} bytes ${what}`);
  };
  const settle = (): void => {
    if (outstanding > 0 || !isWholeWith(0)) return;
    if (endBytes !== undefined && received < endBytes)
      throw new DepotError(
        'PEER_BAD_ANSWER',
        `${peer} ends its answer after ${received} of ${endBytes} bytes`,
      );
    done.resolve();
  };
  const release = guarded(onFailure, (page: Buffer): boolean => {
    pool.give(page);
    if (isWholeWith(0)) settle();
    else onFree();
    return true;
  });
  return {
    deliver({ page, chunk }) {
      const before = received;
      received += chunk.byteLength;
      requireWithin();
      const end = endBytes === undefined ? chunk.byteLength : Math.max(0, endBytes - before);
      const part = chunk.subarray(Math.max(0, skippedBytes - before), end); // RF6
      if (part.byteLength === 0) return void release(page);
      outstanding += 1;
      onChunk(part).then(() => {
        outstanding -= 1;
        release(page);
      }, onFailure);
    },
    settle,
    isWhole: () => isWholeWith(0),
    isWholeWith,
    fail: error => done.reject(error),
    progress: (more = 0) =>
      `after ${received + more}${endBytes === undefined ? '' : ` of ${endBytes}`} bytes`,
    done: done.promise,
  };
};

const stalled = (peer: string, progress: ProgressDeadline, body: Body | undefined): DepotError =>
  new DepotError(
    'PEER_STALLED',
    `${peer} sent ${stallText(progress)}, ${body?.progress() ?? 'and no answer'}`,
  );

const cut = (peer: string, body: Body | undefined, more: number): DepotError =>
  new DepotError(
    'PEER_UNREACHABLE',
    `${peer} closed the connection ${body === undefined ? 'before its answer was read' : body.progress(more)}`,
    { detail: { peer } },
  );
