/** The body of an upload, into the staging directory: bounded, and as long as it was announced. */
import { DepotError } from '../../../lib/errors.ts';
import type { Incoming } from '../staging/incoming.ts';
import type { UploadLimits, UploadRequest } from './upload.ts';

/** @throws `BODY_TOO_LARGE`, `BODY_INCOMPLETE`, and as `Incoming.write` */
export const receive = async (
  incoming: Incoming,
  { chunks, contentLength }: Pick<UploadRequest, 'chunks' | 'contentLength'>,
  limits: Pick<UploadLimits, 'repositoryBytes'>,
  signal: AbortSignal,
): Promise<ReturnType<Incoming['seal']>> => {
  let receivedBytes = 0;
  for await (const chunk of chunks) {
    receivedBytes += chunk.length;
    requireSize(receivedBytes, limits);
    await incoming.write(chunk, { signal });
  }
  if (contentLength !== undefined && receivedBytes !== contentLength)
    throw new DepotError(
      'BODY_INCOMPLETE',
      `${contentLength} bytes were announced and ${receivedBytes} received; send the archive again`,
      { detail: { announced_bytes: contentLength, received_bytes: receivedBytes } },
    );
  return incoming.seal();
};

/** @throws `BODY_TOO_LARGE` */
export const requireSize = (
  bytes: number,
  { repositoryBytes }: Pick<UploadLimits, 'repositoryBytes'>,
): void => {
  if (bytes <= repositoryBytes) return;
  throw new DepotError(
    'BODY_TOO_LARGE',
    `a repository may have ${repositoryBytes} bytes (limits.repository_bytes); this one has ${bytes} or more`,
    { detail: { limit_bytes: repositoryBytes } },
  );
};
