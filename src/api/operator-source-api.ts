/** The operator's API for repositories that Nexus follows, and for the export of trust roots. */
import { z } from 'zod';
import { TrustRootId } from '../core/ids.ts';
import { type Api, defineRoute } from './route.ts';
import { OPERATOR_VERSION } from './versions.ts';
import { answerWord, ByteCount, CheckView, resultsPage, Timestamp } from './wire.ts';

export const SourceView = z
  .object({
    name: z.string(),
    metadata_url: z.string(),
    targets_url: z.string(),
    /** Null for one that is fetched only on request. */
    period_secs: z.number().int().min(0).nullable(),
    /** `refused`: the repository, or the trust in it, has to change; `failed`: Nexus retries. */
    state: answerWord(['waiting', 'syncing', 'current', 'refused', 'failed']),
    /** The newest release seen in it; it may have been deleted here since. */
    system_version: z.string().optional(),
    deleted_here: z.boolean().optional(),
    /** Retention had deleted it here, and it was fetched again. */
    fetched_again: z.boolean().optional(),
    fetching: z
      .object({ system_version: z.string(), done_bytes: ByteCount, total_bytes: ByteCount })
      .optional(),
    time_attempted: Timestamp.optional(),
    time_succeeded: Timestamp.optional(),
    error: z.object({ code: z.string(), message: z.string(), report: z.array(CheckView) }).optional(),
  })
  .meta({ id: 'Source' });
export type SourceView = z.infer<typeof SourceView>;

const TrustRootChain = z
  .object({
    /** The oldest first, without a gap; the last is trusted now. */
    roots: z.array(
      z.object({
        version: z.number().int().min(1),
        expires: Timestamp,
        /** The signed root as text, byte for byte in UTF-8. */
        root: z.string(),
      }),
    ),
  })
  .meta({ id: 'TrustRootChain' });

const SyncSource = z
  .object({
    /** The address of a repository, above its `metadata/` and `targets/`; or the name of a source. */
    source: z.string().min(1).max(2048),
  })
  .meta({ id: 'SyncSource' });

const TAGS = ['system/update'] as const;

export const operatorSourceApi = {
  title: 'Operator API, sources',
  version: OPERATOR_VERSION,
  description: 'Upstream TUF repositories that Nexus follows, and the chains of trust roots.',
  routes: {
    sourceList: defineRoute({
      operationId: 'source_list',
      audience: 'operator',
      role: 'viewer',
      method: 'GET',
      path: '/v1/system/update/sources',
      summary: 'The repositories that this Nexus follows, or was asked to fetch',
      tags: TAGS,
      status: 200,
      response: { kind: 'json', schema: resultsPage(SourceView, 'SourceResultsPage') },
      errors: [],
    }),
    sourceView: defineRoute({
      operationId: 'source_view',
      audience: 'operator',
      role: 'viewer',
      method: 'GET',
      path: '/v1/system/update/sources/{name}',
      summary: 'One source, and the result of its last fetch',
      tags: TAGS,
      params: z.object({ name: z.string().min(1).max(64) }),
      status: 200,
      response: { kind: 'json', schema: SourceView },
      errors: ['NOT_FOUND'],
    }),
    sourceSync: defineRoute({
      operationId: 'source_sync',
      audience: 'operator',
      role: 'operator',
      method: 'POST',
      path: '/v1/system/update/sources/sync',
      summary: 'Fetch a source now, or any repository once; the answer does not wait for it',
      tags: TAGS,
      body: { kind: 'json', schema: SyncSource },
      status: 202,
      response: { kind: 'json', schema: SourceView },
      errors: ['INVALID_REQUEST', 'NOT_FOUND'],
    }),
    trustRootChain: defineRoute({
      operationId: 'trust_root_chain',
      audience: 'operator',
      role: 'viewer',
      method: 'GET',
      path: '/v1/system/update/trust-roots/{trust_root_id}/chain',
      summary: 'Every root of a trust root, from the added one to the one that is trusted now',
      tags: TAGS,
      params: z.object({ trust_root_id: TrustRootId }),
      status: 200,
      response: { kind: 'json', schema: TrustRootChain },
      errors: ['NOT_FOUND'],
    }),
  },
} as const satisfies Api;
