/** A fake Nexus for tests of commands: its contracts over real HTTP, with the answers of the test. */
import { createHash } from 'node:crypto';
import { debugApi } from '../api/debug-api.ts';
import { operatorAccessApi } from '../api/operator-access-api.ts';
import { operatorAuditApi } from '../api/operator-audit-api.ts';
import { operatorFleetApi, type ReleaseReplication, type SledView } from '../api/operator-fleet-api.ts';
import { operatorHistoryApi } from '../api/operator-history-api.ts';
import { operatorInvitationApi } from '../api/operator-invitation-api.ts';
import { type GenerationRecovery, operatorRecoveryApi } from '../api/operator-recovery-api.ts';
import { operatorSourceApi } from '../api/operator-source-api.ts';
import { operatorStatementApi } from '../api/operator-statement-api.ts';
import { operatorUpdateApi } from '../api/operator-update-api.ts';
import { operatorUploadApi } from '../api/operator-upload-api.ts';
import { EMPTY_LOG } from '../core/audit-chain.ts';
import { asGeneration, NexusId, SledId } from '../core/ids.ts';
import { oneOperator } from '../http/api.fixture.ts';
import { bindApi, type Handlers } from '../http/handlers.ts';
import { type ApiServer, serveApi } from '../http/server.ts';
import type { CredentialSource } from '../identity/credentials.ts';
import { endpointUrl, splitAddress } from '../lib/endpoint.ts';
import { DepotError } from '../lib/errors.ts';
import { silentLogger } from '../lib/log.ts';

export const TEST_TOKEN = 'a-token-for-tests';
export const TIME = '2026-01-02T03:04:05.000Z';
const NEXUS = NexusId.parse('00000000-0000-4000-8000-0000000000aa');
export const SLED = SledId.parse('00000000-0000-4000-8000-000000000001');

export const testRepo = (version: string) => ({
  hash: 'ab'.repeat(32),
  system_version: version,
  file_name: `release-${version}.zip`,
  time_created: TIME,
  artifact_count: 3,
  total_size_bytes: 214 * 1024 ** 2,
});

export const testReplication = (
  version: string,
  more: Partial<ReleaseReplication> = {},
): ReleaseReplication => ({
  system_version: version,
  state: 'replicating',
  safe: false,
  complete: false,
  min_sled_replication: 3,
  sleds_in_service: 4,
  sleds_holding_all: 1,
  artifacts: 3,
  copies_wanted: 12,
  copies_held: 5,
  bytes_wanted: 1000,
  bytes_held: 400,
  sleds: [
    {
      sled_id: SLED,
      serial: 'sled-1',
      state: 'ok',
      artifacts_wanted: 3,
      artifacts_held: 2,
      artifacts_held_fully: 1,
      bytes_wanted: 250,
      bytes_held: 100,
    },
  ],
  reasons: [],
  time_observed: TIME,
  ...more,
});

export const testSled = (): SledView => ({
  id: SLED,
  serial: 'sled-1',
  part: 'generic',
  address: '127.0.0.1:12345',
  repo_depot_port: 12348,
  policy: 'in_service',
  liveness: 'alive',
  time_registered: TIME,
  time_last_registered: TIME,
  generation: asGeneration(7),
  datasets: [{ id: null, path: '/data/m2-a', state: 'ok', used_bytes: 1024 ** 2 }],
  replication: null,
  copies_in_flight: [],
  copies_failed: [],
  deletions_total: 0,
  deletions: [],
  deletions_deferred: [],
  quarantined: [],
  reasons: [],
});

const refused = async (): Promise<never> => {
  throw new DepotError('NOT_FOUND', 'this test has no such thing');
};
const none = async () => ({ items: [] });

/** The requests that it received. */
export type Received = {
  uploads: { fileName: string; contentLength: number | undefined; sha256: string; query: object }[];
  calls: unknown[];
  policies: SledView['policy'][];
};

export type TestHandlers = {
  readonly updates?: Partial<Handlers<typeof operatorUpdateApi>>;
  readonly uploads?: Partial<Handlers<typeof operatorUploadApi>>;
  readonly fleet?: Partial<Handlers<typeof operatorFleetApi>>;
  readonly recovery?: Partial<Handlers<typeof operatorRecoveryApi>>;
  readonly sources?: Partial<Handlers<typeof operatorSourceApi>>;
  readonly history?: Partial<Handlers<typeof operatorHistoryApi>>;
  readonly invitations?: Partial<Handlers<typeof operatorInvitationApi>>;
  readonly access?: Partial<Handlers<typeof operatorAccessApi>>;
  readonly audit?: Partial<Handlers<typeof operatorAuditApi>>;
  readonly statements?: Partial<Handlers<typeof operatorStatementApi>>;
  readonly debug?: Partial<Handlers<typeof debugApi>>;
};

const updateHandlers = (received: Received): Handlers<typeof operatorUpdateApi> => ({
  async repositoryUpload({ body, query }) {
    const hash = createHash('sha256');
    for await (const chunk of body.chunks) hash.update(chunk);
    const { file_name: fileName } = query;
    received.uploads.push({ fileName, contentLength: body.contentLength, sha256: hash.digest('hex'), query });
    return {
      repo: testRepo('1.2.0'),
      status: 'inserted',
      report: ['all signatures are good'],
      overrides: [],
    };
  },
  repositoryList: async () => ({ items: [testRepo('1.2.0'), testRepo('1.10.0'), testRepo('1.2.0-rc.1')] }),
  repositoryView: async ({ params }) => testRepo(params.system_version),
  async repositoryExempt({ params: { system_version } }) {
    received.calls.push({ exempted: system_version });
    return { system_version, bundle: 'b'.repeat(64), kind: 'partly' };
  },
  async repositoryDelete({ params }) {
    received.calls.push(params);
  },
  repositoryArtifacts: none,
  trustRootList: none,
  async trustRootCreate({ body }) {
    received.calls.push(body);
    return { id: SLED as never, time_created: TIME, root_role: body };
  },
  trustRootView: refused,
  trustRootDelete: refused,
  async targetReleaseUpdate({ query, body }) {
    received.calls.push({ ...query, ...body });
  },
  recoveryFinish: refused,
  updateStatus: refused,
});

const fleetHandlers = (received: Received): Handlers<typeof operatorFleetApi> => ({
  fleetStatus: async () => ({
    verdict: 'ok',
    reasons: [],
    nexus_id: NEXUS,
    generation: asGeneration(7),
    min_sled_replication: 3,
    sleds: { in_service: 4, answering: 4, expunged: 0 },
    nexuses: { alive: 1, silent: 0 },
    releases: [testReplication('1.10.0', { state: 'complete', sleds_holding_all: 4 })],
    local_repos: 0,
    local_repos_not_safe: 0,
    uploads_in_progress: 0,
    requests_deferred: 0,
    time_observed: TIME,
  }),
  releaseReplication: async ({ params }) => testReplication(params.system_version),
  sledList: async () => ({ items: [{ ...testSled(), policy: received.policies.at(-1) ?? 'in_service' }] }),
  sledView: async () => ({ ...testSled(), policy: received.policies.at(-1) ?? 'in_service' }),
  async sledSetPolicy({ params, body }) {
    received.calls.push({ ...params, ...body });
    received.policies.push(body.policy);
  },
  async sledSetTransport({ params, body }) {
    received.calls.push({ ...params, ...body });
    const address = body.transport === 'plain' ? { address: body.address ?? '127.0.0.1' } : {};
    return { ...params, transport: body.transport, ...address };
  },
  async sledForget({ params }) {
    received.calls.push({ forget: params.sled_id });
  },
  nexusList: none,
  nexusExpunge: refused,
  artifactList: none,
  artifactView: refused,
});

export const testRecovery = (more: Partial<GenerationRecovery> = {}): GenerationRecovery => ({
  state: 'not_needed',
  generation: asGeneration(7),
  to: null,
  sleds: [],
  points: [],
  undecided_artifacts_total: 0,
  undecided_artifacts: [],
  obstacles: [],
  ...more,
});

const recoveryHandlers = (received: Received): Handlers<typeof operatorRecoveryApi> => ({
  generationRecoveryView: async () => testRecovery(),
  replicationCheck: async () => ({ generation: asGeneration(7), sleds: [] }),
  async generationRecover({ body }) {
    received.calls.push(body);
    return testRecovery({ state: 'done', to: body.to });
  },
});

const sourceHandlers: Handlers<typeof operatorSourceApi> = {
  sourceList: none,
  sourceView: refused,
  sourceSync: refused,
  trustRootChain: refused,
};

const accessHandlers: Handlers<typeof operatorAccessApi> = {
  operatorSelf: async () => ({ role: 'operator', time_expires: TIME }),
  tokenList: none,
  tokenCreate: refused,
  tokenRevoke: refused,
};

const debugHandlers = (received: Received): Handlers<typeof debugApi> => ({
  bgtaskList: async () => ({}),
  bgtaskView: refused,
  updateStatus: refused,
  async bgtaskActivate({ body }) {
    received.calls.push(body);
  },
});

/** Serves on any port of the loopback; requires {@link TEST_TOKEN}. */
export const serveTestNexus = async (
  handlers: TestHandlers = {},
  credentials?: CredentialSource,
): Promise<{ readonly url: string; readonly received: Received } & AsyncDisposable> => {
  const received: Received = { uploads: [], calls: [], policies: [] };
  const server: ApiServer = await serveApi({
    apis: [
      bindApi(operatorUpdateApi, { ...updateHandlers(received), ...handlers.updates }),
      bindApi(operatorUploadApi, { uploadView: refused, ...handlers.uploads }),
      bindApi(operatorFleetApi, { ...fleetHandlers(received), ...handlers.fleet }),
      bindApi(operatorRecoveryApi, { ...recoveryHandlers(received), ...handlers.recovery }),
      bindApi(operatorSourceApi, { ...sourceHandlers, ...handlers.sources }),
      bindApi(operatorHistoryApi, { fleetHistory: none, ...handlers.history }),
      bindApi(operatorAccessApi, { ...accessHandlers, ...handlers.access }),
      bindApi(operatorInvitationApi, {
        invitationCreate: refused,
        invitationList: none,
        invitationEnd: refused,
        joinRequestList: none,
        joinRequestDeny: refused,
        pendingSledList: none,
        pendingSledApprove: refused,
        nexusInvitationCreate: refused,
        nexusInvitationList: none,
        nexusInvitationEnd: refused,
        ...handlers.invitations,
      }),
      bindApi(operatorAuditApi, {
        auditList: none,
        auditHead: async () => EMPTY_LOG,
        auditSledHeads: async () => ({ sleds: [] }),
        ...handlers.audit,
      }),
      bindApi(operatorStatementApi, {
        statementList: async () => ({ items: [], fleet: 'test.example', admin_keys: [] }),
        statementCreate: refused,
        ...handlers.statements,
      }),
      bindApi(debugApi, { ...debugHandlers(received), ...handlers.debug }),
    ],
    listen: { host: '127.0.0.1', port: 0 },
    operators: oneOperator(TEST_TOKEN),
    credentials,
    log: silentLogger,
    signal: new AbortController().signal,
  });
  return {
    url: endpointUrl({
      scheme: credentials === undefined ? 'http' : 'https',
      ...splitAddress(server.address),
    }),
    received,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
};
