/**
 * Removes the framing of a chunked body (RFC 9112, 7.1) where it lies, strictly and within bounds.
 *
 *     5 CRLF hello CRLF 0 CRLF CRLF ─▶ hello
 *
 * CHB1. The data moves to the beginning of its own memory: no byte more is allocated, however small the chunks are.
 * CHB2. A body is over after its last chunk and the empty line; a connection that closes before has cut it.
 * CHB3. Lines of sizes, and all trailers together, are bounded. Extensions and trailers are read and ignored.
 */
import { DepotError } from '../lib/errors.ts';

/** Extensions are rare and short. */
const MAX_SIZE_LINE_BYTES = 256;
const MAX_TRAILER_BYTES = 4 * 1024;
/** At most 13 digits: a safe integer. */
const SIZE_LINE = /^([0-9a-f]{1,13})(?:[ \t]*;[^\r\n]*)?\r\n$/i;

const NEWLINE = 0x0a;

export type ChunkDecoder = {
  /** Moves the data of the next bytes to their beginning. @returns its length @throws `PEER_BAD_ANSWER` */
  readonly decode: (bytes: Buffer) => number;
  readonly isOver: () => boolean;
};

/** Between the lines the bytes of a chunk, and the line break after them. */
type Place = 'size' | 'data' | 'break' | 'trailer' | 'over';

export const createChunkDecoder = (peer: string): ChunkDecoder => {
  const bad: Refuse = what =>
    new DepotError('PEER_BAD_ANSWER', `${peer} does not answer as a Repo Depot: ${what}`, {
      detail: { peer },
    });
  const line = createLineReader(bad);
  let place: Place = 'size';
  let left = 0;
  let trailerBytes = 0;

  const lines = {
    size(text: string): void {
      const size = SIZE_LINE.exec(text)?.[1];
      if (size === undefined) throw bad('the size of a chunk is no hexadecimal number');
      left = Number.parseInt(size, 16);
      place = left === 0 ? 'trailer' : 'data';
    },
    break(text: string): void {
      if (!'\r\n'.startsWith(text)) throw bad('a chunk is longer than its size');
      if (text === '\r\n') place = 'size';
    },
    trailer(text: string): void {
      trailerBytes += text.length;
      if (trailerBytes > MAX_TRAILER_BYTES)
        throw bad(`it has more than ${MAX_TRAILER_BYTES} bytes of trailers`);
      if (text === '\r\n') place = 'over';
    },
  };
  return {
    decode(bytes) {
      let from = 0;
      let to = 0;
      while (from < bytes.length) {
        if (place === 'over') throw bad('it sends more after its last chunk');
        if (place === 'data') {
          const length = Math.min(left, bytes.length - from);
          if (to !== from) bytes.copyWithin(to, from, from + length); // CHB1
          from += length;
          to += length;
          left -= length;
          if (left === 0) place = 'break';
        } else {
          const { text, isWhole, read } = line.take(bytes.subarray(from), MAX_LINE_BYTES[place]);
          from += read;
          if (isWhole || place === 'break') lines[place](text);
        }
      }
      return to;
    },
    isOver: () => place === 'over',
  };
};

type Refuse = (what: string) => DepotError;

const MAX_LINE_BYTES = { size: MAX_SIZE_LINE_BYTES, break: 2, trailer: MAX_TRAILER_BYTES };

const createLineReader = (bad: Refuse) => {
  let line = '';
  return {
    /** What there is of a line, with its end once it is whole. */
    take(bytes: Buffer, maxBytes: number): { text: string; isWhole: boolean; read: number } {
      const end = bytes.subarray(0, maxBytes).indexOf(NEWLINE);
      const read = end === -1 ? Math.min(bytes.length, maxBytes) : end + 1;
      const text = line + bytes.toString('latin1', 0, read);
      const isWhole = end !== -1;
      if (text.length > maxBytes || (!isWhole && text.length === maxBytes && maxBytes > 2))
        throw bad(`a line between its chunks has more than ${maxBytes} bytes`);
      line = isWhole ? '' : text;
      return { text, isWhole, read };
    },
  };
};
