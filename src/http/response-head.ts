/**
 * The head of an HTTP/1.1 response, for a client that fetches artifacts: strict and small. It refuses encodings, folded lines
 * and two lengths, which no Repo Depot sends. An error quotes nothing of it: the peer may be any server that this process was
 * sent to, and the sender reads the error.
 */
import { DepotError } from '../lib/errors.ts';

/** Bounds the memory and the time for a peer that never ends its head. */
const MAX_HEAD_BYTES = 16 * 1024;

export type ResponseHead = {
  readonly status: number;
  /** Names in lower case; the values of a repeated name are joined by commas. */
  readonly headers: ReadonlyMap<string, string>;
};

const STATUS_LINE = /^HTTP\/1\.[01] ([1-5]\d\d)(?: [^\r\n]*)?$/;
const HEADER_LINE = /^([\w!#$%&'*+.^`|~-]+):[ \t]*(.*?)[ \t]*$/;

const badHead = (peer: string, what: string): DepotError =>
  new DepotError('PEER_BAD_ANSWER', `${peer} does not answer as a Repo Depot: ${what}`, { detail: { peer } });

/** Where the body begins in `bytes`; undefined while the head is not complete. @throws `PEER_BAD_ANSWER` */
export const bodyStart = (bytes: Buffer, peer: string): number | undefined => {
  const end = bytes.subarray(0, MAX_HEAD_BYTES).indexOf('\r\n\r\n');
  if (end !== -1) return end + 4;
  if (bytes.byteLength >= MAX_HEAD_BYTES)
    throw badHead(peer, `the head of its answer has more than ${MAX_HEAD_BYTES} bytes`);
  return undefined;
};

/** @param bytes the head, with its empty line. @throws `PEER_BAD_ANSWER` */
export const parseResponseHead = (bytes: Buffer, peer: string): ResponseHead => {
  const [statusLine = '', ...lines] = bytes.toString('latin1').slice(0, -4).split('\r\n');
  const status = STATUS_LINE.exec(statusLine)?.[1];
  if (status === undefined) throw badHead(peer, 'its status line is not one of HTTP/1.1');
  const headers = new Map<string, string>();
  for (const line of lines) {
    const [, name, value] = HEADER_LINE.exec(line) ?? [];
    if (name === undefined || value === undefined) throw badHead(peer, 'a header line has no name');
    const key = name.toLowerCase();
    const before = headers.get(key);
    headers.set(key, before === undefined ? value : `${before}, ${value}`);
  }
  return { status: Number(status), headers };
};

/**
 * The number of bytes that follow the head; undefined for a body in chunks, which tells its end by itself.
 *
 * @throws `PEER_BAD_ANSWER`
 */
export const bodyLength = ({ headers }: ResponseHead, peer: string): number | undefined => {
  const encoding = headers.get('content-encoding') ?? 'identity';
  if (encoding !== 'identity') throw badHead(peer, 'it sends a Content-Encoding, which was not requested');
  const length = headers.get('content-length');
  const transfer = headers.get('transfer-encoding');
  if (transfer !== undefined) {
    if (transfer.toLowerCase() !== 'chunked')
      throw badHead(peer, 'its Transfer-Encoding is another one than chunked');
    if (length !== undefined) throw badHead(peer, 'it sends both chunks and a Content-Length');
    return undefined;
  }
  if (length === undefined || !/^\d{1,15}$/.test(length))
    throw badHead(peer, 'its Content-Length is absent, or no number');
  return Number(length);
};

export type ByteRange = { readonly first: number; readonly last?: number | undefined };

/** The part of a body that is wanted. */
export type Extent = {
  /** Bytes before the part. */
  readonly skippedBytes: number;
  /** Where the part ends in the body; undefined if the end of the body is its end, and comes without notice. */
  readonly endBytes: number | undefined;
  /** Whether the body goes on after that. */
  readonly goesOn: boolean;
};

/** @throws `PEER_BAD_ANSWER` for a 206 without exactly the requested range, `PEER_RANGE_IGNORED` */
export const answeredExtent = (
  head: ResponseHead,
  { range, maxSkippedBytes }: { readonly range: ByteRange | undefined; readonly maxSkippedBytes: number },
  peer: string,
): Extent & { readonly totalBytes: number | undefined } => {
  const length = bodyLength(head, peer);
  if (head.status === 206) {
    const totalBytes = rangeTotal(head, range, length, peer);
    return { skippedBytes: 0, endBytes: length, goesOn: false, totalBytes };
  }
  if (range === undefined) return { skippedBytes: 0, endBytes: length, goesOn: false, totalBytes: length };
  const { first, last } = range;
  if (first > maxSkippedBytes)
    throw new DepotError(
      'PEER_RANGE_IGNORED',
      `${peer} sends the whole file instead of a range that begins after ${first} bytes; up to ${maxSkippedBytes} are skipped`,
      { detail: { peer } },
    );
  if (length !== undefined && Math.max(first, last ?? 0) >= length)
    throw badHead(peer, 'it sends a file that ends before the requested range does');
  const endBytes = last === undefined ? length : last + 1;
  return { skippedBytes: first, endBytes, goesOn: last !== undefined, totalBytes: length };
};

/** Of a 206. */
const rangeTotal = (
  { headers }: ResponseHead,
  range: ByteRange | undefined,
  length: number | undefined,
  peer: string,
): number => {
  if (range === undefined) throw badHead(peer, 'it sends a range that was not requested');
  const contentRange = headers.get('content-range') ?? 'absent';
  const [, first, last, total] = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15})$/.exec(contentRange) ?? [];
  const lastWanted = Math.min(range.last ?? Number.MAX_SAFE_INTEGER, Number(total) - 1);
  if (Number(first) !== range.first || Number(last) !== lastWanted || length !== lastWanted - range.first + 1)
    throw badHead(peer, 'its Content-Range is absent, or not the requested one');
  return Number(total);
};
