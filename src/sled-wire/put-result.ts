/** The answer to a put. */
import type { ArtifactPutResponse } from '../api/transfer-api.ts';
import type { PutResult } from '../core/sled-report.ts';

export const putResultOf = ({ datasets, successful_writes }: ArtifactPutResponse): PutResult => ({
  datasets,
  successfulWrites: successful_writes,
});

export const putResultBody = ({ datasets, successfulWrites }: PutResult): ArtifactPutResponse => ({
  datasets,
  successful_writes: successfulWrites,
});
