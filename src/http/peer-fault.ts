/** The fault of the peer in a failed exchange: it is unreachable, or its HTTP is invalid. */
import { DepotError, messageChain } from '../lib/errors.ts';

const UNREACHABLE =
  /^(ECONN|EHOST|ENET|ENOTFOUND|EAI_|EPIPE|ETIMEDOUT|UND_ERR_CONNECT_TIMEOUT|UND_ERR_SOCKET)/;

/** A {@link DepotError} is passed on as it is. */
export const peerFault = (error: unknown, peer: string): unknown => {
  if (error instanceof DepotError) return error;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (UNREACHABLE.test(code))
    return new DepotError('PEER_UNREACHABLE', `${peer} cannot be reached`, {
      cause: error,
      detail: { peer },
    });
  return new DepotError(
    'PEER_BAD_ANSWER',
    `${peer} did not answer with valid HTTP (${messageChain(error)})`,
    { cause: error, detail: { peer } },
  );
};
