/** The operator's API for uploads in progress: our addition beside the published upload, for a client to poll. */
import { z } from 'zod';
import { UploadStage } from '../core/facts/reason.ts';
import { UploadId } from '../core/ids.ts';
import { TufRepoUpload } from './operator-update-api.ts';
import { type Api, defineRoute } from './route.ts';
import { OPERATOR_VERSION } from './versions.ts';
import { answerWord, CheckView, Timestamp } from './wire.ts';

export const UploadView = z
  .object({
    upload_id: UploadId,
    file_name: z.string(),
    /**
     * `waiting`: for the database; the archive is kept and continues by itself. `recorded` and `failed` are final, and are
     * remembered for the latest uploads of this process.
     */
    state: answerWord([...UploadStage.options, 'waiting', 'recorded', 'failed']),
    /** Once it is verified. */
    system_version: z.string().optional(),
    waiting: z
      .object({
        /** The step that waits: `receiving` before it is received, `verifying` before it is verified. */
        stage: answerWord(UploadStage.options),
        message: z.string(),
        time_since: Timestamp,
        /** The time at which it is given up; absent while it may be recorded already. */
        time_until: Timestamp.optional(),
      })
      .optional(),
    /** Of a recorded one: the answer to the upload. */
    result: TufRepoUpload.optional(),
    /** Of a failed one. */
    error: z.object({ error_code: z.string(), message: z.string(), report: z.array(CheckView) }).optional(),
  })
  .meta({ id: 'Upload' });
export type UploadView = z.infer<typeof UploadView>;

export const operatorUploadApi = {
  title: 'Operator API, uploads',
  version: OPERATOR_VERSION,
  description: 'The progress of an upload that this Nexus received.',
  routes: {
    uploadView: defineRoute({
      operationId: 'upload_view',
      audience: 'operator',
      role: 'viewer',
      method: 'GET',
      path: '/v1/system/update/uploads/{upload_id}',
      summary: 'The state of an upload: received, verified, waiting for the database, recorded or failed',
      tags: ['system/update'],
      params: z.object({ upload_id: UploadId }),
      status: 200,
      response: { kind: 'json', schema: UploadView },
      errors: ['NOT_FOUND'],
    }),
  },
} as const satisfies Api;
