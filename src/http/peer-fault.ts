/** The fault of the peer in a failed exchange: it is unreachable, it is not the expected one, or its HTTP is invalid. */
import { DepotError, messageChain } from '../lib/errors.ts';

const UNREACHABLE =
  /^(ECONN|EHOST|ENET|ENOTFOUND|EAI_|EPIPE|ETIMEDOUT|UND_ERR_CONNECT_TIMEOUT|UND_ERR_SOCKET)/;

/** OpenSSL's codes for a chain or a time that it does not accept, as Node names them. */
const UNVERIFIED = /^(CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|INVALID_CA|ERR_TLS_|HOSTNAME_MISMATCH)/;
/** Alerts and records of TLS; a peer without TLS answers with bytes that are no record. */
const TLS_FAILED = /^(ERR_SSL_|EPROTO)/;

/** Also of a sled in the status, so without advice for the address of a person. */
const CLOSED_UNANSWERED =
  'it was sent plain HTTP and closed the connection without an answer, as a server does that speaks TLS (https) alone';

/** A connection that the other side closed. */
const CLOSED = /^(ECONNRESET|EPIPE|UND_ERR_SOCKET)/;

/**
 * A {@link DepotError} is passed on as it is.
 *
 * @param isUnanswered over plain HTTP, before the first byte of an answer: a server with TLS closes such a connection
 */
export const peerFault = (error: unknown, peer: string, isUnanswered = false): unknown => {
  if (error instanceof DepotError) return error;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (UNREACHABLE.test(code)) {
    const why = isUnanswered && CLOSED.test(code) ? `: ${CLOSED_UNANSWERED}` : '';
    return new DepotError('PEER_UNREACHABLE', `${peer} cannot be reached${why}`, {
      cause: error,
      detail: { peer },
    });
  }
  if (UNVERIFIED.test(code))
    return new DepotError('PEER_IDENTITY', `the certificate of ${peer} is not accepted (${code})`, {
      cause: error,
      detail: { peer },
    });
  if (TLS_FAILED.test(code))
    return new DepotError(
      'PEER_IDENTITY',
      `${peer} does not complete a TLS handshake with this process (${code})`,
      {
        cause: error,
        detail: { peer },
      },
    );
  return new DepotError(
    'PEER_BAD_ANSWER',
    `${peer} did not answer with valid HTTP (${messageChain(error)})`,
    { cause: error, detail: { peer } },
  );
};
