/** A Nexus as commands see it: the operator's and the debug API, with the command's own signal. */
import type { debugApi } from '../../api/debug-api.ts';
import type { operatorAccessApi } from '../../api/operator-access-api.ts';
import type { operatorAuditApi } from '../../api/operator-audit-api.ts';
import type { ArtifactSummary, operatorFleetApi, SledView } from '../../api/operator-fleet-api.ts';
import type { operatorHistoryApi } from '../../api/operator-history-api.ts';
import type { operatorInvitationApi } from '../../api/operator-invitation-api.ts';
import type { operatorRecoveryApi } from '../../api/operator-recovery-api.ts';
import type { operatorSourceApi } from '../../api/operator-source-api.ts';
import type { operatorStatementApi } from '../../api/operator-statement-api.ts';
import type {
  operatorUpdateApi,
  ReleaseArtifactView,
  TufRepo,
  UpdatesTrustRoot,
} from '../../api/operator-update-api.ts';
import type { operatorUploadApi } from '../../api/operator-upload-api.ts';
import type { Api } from '../../api/route.ts';
import { MAX_PAGE_LIMIT } from '../../api/wire.ts';
import { type ApiClient, createApiClient, createDispatcher } from '../../http/client.ts';
import { secureDispatcher } from '../../http/peers.ts';
import { DEFAULT_PROGRESS, type ProgressDeadline, progressWithin } from '../../http/progress.ts';
import { DepotError } from '../../lib/errors.ts';
import { usageError } from '../output/failure.ts';
import type { Session } from '../session/session.ts';
import { type Connection, type RemoteOptions, resolveConnection } from './connection.ts';
import { withLoginRemedy } from './login-remedy.ts';

/** An upload is answered when every byte of it is verified; this is the time for 4 GiB on a slow disk. */
const UPLOAD_ANSWER_TIMEOUT_MS = 30 * 60_000;
const ANSWER_TIMEOUT_MS = 60_000;
/** No list is longer than this many pages of the largest size: a server that never ends one is refused. */
const MAX_PAGES = 1_000;

type AnyCall = (input: never, options: { signal: AbortSignal }) => Promise<unknown>;

/** A client whose calls carry the signal already. */
type Bound<C> = {
  readonly [K in keyof C as C[K] extends AnyCall ? K : never]: C[K] extends (
    input: infer I,
    options: never,
  ) => infer R
    ? unknown extends I
      ? () => R
      : (input: I) => R
    : never;
};

export type Depot = {
  readonly url: string;
  /** The fleet that the server proves by its certificate; undefined without an authority. */
  readonly provenFleet: string | undefined;
  readonly updates: Bound<ApiClient<typeof operatorUpdateApi>>;
  readonly uploads: Bound<ApiClient<typeof operatorUploadApi>>;
  readonly fleet: Bound<ApiClient<typeof operatorFleetApi>>;
  readonly recovery: Bound<ApiClient<typeof operatorRecoveryApi>>;
  readonly sources: Bound<ApiClient<typeof operatorSourceApi>>;
  readonly history: Bound<ApiClient<typeof operatorHistoryApi>>;
  readonly access: Bound<ApiClient<typeof operatorAccessApi>>;
  readonly invitations: Bound<ApiClient<typeof operatorInvitationApi>>;
  readonly audit: Bound<ApiClient<typeof operatorAuditApi>>;
  readonly statements: Bound<ApiClient<typeof operatorStatementApi>>;
  readonly debug: Bound<ApiClient<typeof debugApi>>;
  // Lists, whole.
  readonly allRepositories: () => Promise<TufRepo[]>;
  readonly releaseArtifacts: (version: string) => Promise<ReleaseArtifactView[]>;
  readonly allTrustRoots: () => Promise<UpdatesTrustRoot[]>;
  readonly allSleds: () => Promise<SledView[]>;
  readonly allArtifacts: () => Promise<ArtifactSummary[]>;
};

/** Runs `work` with a client of the Nexus that the options name, and closes its connections. */
export const withDepot = async <T>(
  session: Session,
  options: RemoteOptions,
  work: (depot: Depot) => Promise<T>,
): Promise<T> => {
  const connection = await resolveConnection(options, session);
  await using depot = openDepot(connection, {
    signal: session.signal,
    progress: progressOf(session.environment),
  });
  try {
    return await work(depot);
  } catch (error) {
    throw withLoginRemedy(error, connection);
  }
};

/** `TUF_DEPOT_STALL_S`, for links on which 64 KiB take longer than ten seconds. */
const progressOf = ({ TUF_DEPOT_STALL_S: text }: Session['environment']): ProgressDeadline => {
  if (text === undefined || text === '') return DEFAULT_PROGRESS;
  const stallS = Number(text);
  if (stallS >= 1 && stallS <= MAX_STALL_S) return progressWithin(stallS * 1000);
  throw usageError(`TUF_DEPOT_STALL_S is ${text}`, `give seconds from 1 to ${MAX_STALL_S}`);
};

const MAX_STALL_S = 86_400;

export const openDepot = (
  { url, token, trust }: Connection,
  { signal, progress = DEFAULT_PROGRESS }: { signal: AbortSignal; progress?: ProgressDeadline },
): Depot & AsyncDisposable => {
  const dispatcher =
    trust === undefined
      ? createDispatcher()
      : secureDispatcher(() => trust, { fleet: trust.fleet, kind: 'nexus' });
  const client = <A extends Api>(load: () => Promise<A>, answerTimeoutMs = ANSWER_TIMEOUT_MS) =>
    whenCalled(async () => {
      const timeouts = { answerTimeoutMs, progress };
      return bind(createApiClient(await load(), { baseUrl: url, token, dispatcher, timeouts }), signal);
    });
  const updates = client(
    async () => (await import('../../api/operator-update-api.ts')).operatorUpdateApi,
    UPLOAD_ANSWER_TIMEOUT_MS,
  );
  const fleet = client(async () => (await import('../../api/operator-fleet-api.ts')).operatorFleetApi);
  return {
    url,
    provenFleet: trust?.fleet,
    updates,
    uploads: client(async () => (await import('../../api/operator-upload-api.ts')).operatorUploadApi),
    fleet,
    recovery: client(async () => (await import('../../api/operator-recovery-api.ts')).operatorRecoveryApi),
    sources: client(async () => (await import('../../api/operator-source-api.ts')).operatorSourceApi),
    history: client(async () => (await import('../../api/operator-history-api.ts')).operatorHistoryApi),
    access: client(async () => (await import('../../api/operator-access-api.ts')).operatorAccessApi),
    invitations: client(
      async () => (await import('../../api/operator-invitation-api.ts')).operatorInvitationApi,
    ),
    audit: client(async () => (await import('../../api/operator-audit-api.ts')).operatorAuditApi),
    statements: client(
      async () => (await import('../../api/operator-statement-api.ts')).operatorStatementApi,
    ),
    debug: client(async () => (await import('../../api/debug-api.ts')).debugApi),
    allRepositories: () => allPages(query => updates.repositoryList({ query })),
    releaseArtifacts: version =>
      allPages(query => updates.repositoryArtifacts({ params: { system_version: version }, query })),
    allTrustRoots: () => allPages(query => updates.trustRootList({ query })),
    allSleds: () => allPages(query => fleet.sledList({ query })),
    allArtifacts: () => allPages(query => fleet.artifactList({ query })),
    async [Symbol.asyncDispose]() {
      await dispatcher.close();
    },
  };
};

/** A client that is made by its first call: a command loads the contracts that it uses, and no other. */
const whenCalled = <C extends object>(make: () => Promise<C>): C => {
  let made: Promise<C> | undefined;
  return new Proxy({} as C, {
    get: (_, name) => {
      if (typeof name === 'symbol' || name === 'then') return undefined; // It is no promise.
      return async (input?: unknown) => {
        made ??= make();
        const calls = (await made) as Record<string, (input?: unknown) => unknown>;
        return calls[name]?.(input);
      };
    },
  });
};

type ErasedCall = (input: unknown, options: { signal: AbortSignal }) => Promise<unknown>;

const bind = <C extends AsyncDisposable>(client: C, signal: AbortSignal): Bound<C> => {
  const calls: [string, ErasedCall][] = Object.entries(client);
  return Object.fromEntries(
    calls.map(([name, call]) => [name, (input: unknown = {}) => call(input, { signal })]),
  ) as Bound<C>;
};

type Page<T> = { readonly items: readonly T[]; readonly next_page?: string | null | undefined };

const allPages = async <T>(
  fetchPage: (query: { limit: number; page_token?: string }) => Promise<Page<T>>,
): Promise<T[]> => {
  const items: T[] = [];
  let token: string | undefined;
  for (let pages = 0; pages < MAX_PAGES; pages += 1) {
    const page = await fetchPage({
      limit: MAX_PAGE_LIMIT,
      ...(token !== undefined && { page_token: token }),
    });
    items.push(...page.items);
    if (page.next_page === undefined || page.next_page === null) return items;
    token = page.next_page;
  }
  throw new DepotError('PEER_BAD_ANSWER', `a list has not ended after ${MAX_PAGES} pages`);
};
