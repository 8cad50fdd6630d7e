/** A Nexus: the product's services without their servers, over a simulated disk, clock, network and database. */
import { certificateApi } from '../../src/api/certificate-api.ts';
import { internalApi } from '../../src/api/internal-api.ts';
import { joinApi } from '../../src/api/join-api.ts';
import { operatorFleetApi } from '../../src/api/operator-fleet-api.ts';
import { operatorInvitationApi } from '../../src/api/operator-invitation-api.ts';
import { operatorRecoveryApi } from '../../src/api/operator-recovery-api.ts';
import { operatorStatementApi } from '../../src/api/operator-statement-api.ts';
import { operatorUpdateApi } from '../../src/api/operator-update-api.ts';
import { NexusId } from '../../src/core/ids.ts';
import type { Rng } from '../../src/core/rng.ts';
import type { Disk } from '../../src/lib/disk.ts';
import { DepotError } from '../../src/lib/errors.ts';
import type { Logger } from '../../src/lib/log.ts';
import { createDatabaseWatch } from '../../src/nexus/datastore/database-watch.ts';
import type { NexusConfig } from '../../src/nexus/process/config.ts';
import { type Services, startServices } from '../../src/nexus/process/services.ts';
import { openStagingDirectory } from '../../src/nexus/releases/staging/directory.ts';
import { SPECIFIED_SIGNATURES } from '../../src/tuf/signature-policy.ts';
import { followNothing } from '../../src/verify/follow-archive.ts';
import type { DecideAttempt } from '../datastore/attempt.ts';
import type { MemoryDatabase } from '../datastore/memory-database.ts';
import type { Member } from '../identity/member.ts';
import { FLEET, passportIssuer } from '../identity/passport.ts';
import { admitted } from '../network/admitted.ts';
import type { Network } from '../network/network.ts';
import { createSledLink, type FindSled } from '../network/sled-link.ts';
import { idFrom } from '../time/streams.ts';
import type { Fail } from '../violation.ts';
import type { Host } from './machine.ts';
import { type Metadata, PREFIX_UNIT_BYTES, type ReleaseShelf, verifyFromShelf } from './releases.ts';
import { renewPeriodically } from './renewal.ts';
import { createTransferWatch } from './watched-transfers.ts';

export const STAGING = '/staging';

export type NexusPlan = {
  readonly minSledReplication: number;
  readonly metadata: Metadata;
  readonly prunes: boolean;
  /** Of the certificates that it issues. */
  readonly certificateLifeMs: number;
};

const MIB = 2 ** 20;

const nexusConfig = (name: string, { minSledReplication, prunes }: NexusPlan): NexusConfig => ({
  stagingDirectory: STAGING,
  operatorListen: { host: name, port: 12_220 },
  internalListen: { host: name, port: 12_221 },
  tokenFile: '',
  readyFile: undefined,
  plainListen: undefined,
  debugListen: undefined,
  leftovers: [],
  identity: undefined,
  authorityDirectory: undefined,
  adminKeyFile: undefined,
  otherNexuses: [],
  operatorTransport: 'plain',
  metricsAccess: 'operator',
  allowedHosts: [],
  logLevel: 'info',
  databaseUrl: '',
  signatures: SPECIFIED_SIGNATURES,
  progress: { minBytes: 65_536, intervalMs: 10_000 },
  limits: { repositoryBytes: 64 * MIB, artifactBytes: MIB, uploadsAtOnce: 4, inflateRatio: 200 },
  sources: [],
  history: { retentionMs: 30 * 86_400_000, maxEvents: 10_000 },
  replication: {
    periodMs: 60_000,
    disable: false,
    minSledReplication,
    copyConcurrency: 32,
    // No simulated artifact is large, so each takes a whole place.
    limits: { maxTransfers: 2048, maxTransfersToSled: 2, maxCopiesFromSource: 2, maxPuts: 2, smallBytes: 0 },
  },
  pruner: {
    periodMs: prunes ? 60_000 : 300_000,
    disable: !prunes,
    policy: { keepTargetReleases: 3, keepUploads: 2 },
  },
});

type Deps = {
  readonly plan: NexusPlan;
  readonly speaksOfLineage: () => boolean;
  /** Virtual time since the beginning of the run. */
  readonly sinceBeginningMs: () => number;
  readonly database: MemoryDatabase;
  readonly attempts: DecideAttempt;
  readonly network: Network;
  readonly findSled: FindSled;
  readonly shelf: ReleaseShelf;
  readonly rng: Rng;
  readonly log: Logger;
  /** Called for every request that moves an artifact. */
  readonly onTransfer: () => void;
  readonly fail: Fail;
};

const unsupported = async (): Promise<never> => {
  throw new DepotError('INTERNAL', 'simulated Nexuses have no sources and no archives of roots');
};

export const bootNexus = async (deps: Deps, host: Host): Promise<Services> => {
  const { rng, log } = deps;
  const { disk, process, member } = host;
  const { clock } = process;
  const newId = () => idFrom(rng);
  const { signal } = new AbortController();
  const issuer = passportIssuer({ nowMs: clock.nowMs, lifeMs: deps.plan.certificateLifeMs });
  const config = nexusConfig(host.name, deps.plan);
  const directory = await openStagingDirectory(STAGING, {
    ...{ disk, lockDirectory: host.lockDirectory, newId },
    nexusId: NexusId.parse(member.presents().identity.id),
  });
  const watch = createTransferWatch({
    nexus: host.name,
    mostToSled: config.replication.limits.maxTransfersToSled,
    nowMs: clock.monotonicMs,
    onTransfer: deps.onTransfer,
    fail: deps.fail,
  });
  const services = await startServices(
    {
      config,
      directory,
      operatorAddress: `${host.name}:12220`,
      openDatastore: async () =>
        watch.datastore(deps.database.openDatastore({ clock, rng, log, attempts: deps.attempts })),
      tellsAuditHeads: false,
      revocations: member.revocations,
      statements: member.statements,
      adminKeys: { list: () => host.box.adminKeys },
      fleet: FLEET,
      issuer,
      connectSleds: () =>
        watch.connection(
          createSledLink(deps.network, { machine: host.name, process, identity: member }, deps),
        ),
      verifyRelease: verifyFromShelf(
        deps.shelf,
        deps.plan.metadata,
        path => readFile(disk, path),
        deps.sinceBeginningMs,
      ),
      followArchive: followNothing,
      prefixUnitBytes: PREFIX_UNIT_BYTES,
      verifyRoots: unsupported,
      fetchRelease: unsupported,
      freeBytes: disk.freeBytes,
      clock,
      rng,
      newId,
      log,
      watch: createDatabaseWatch(clock),
    },
    { signal },
  );
  renewPeriodically(host, {
    lifeMs: deps.plan.certificateLifeMs,
    request: async renewal =>
      issueOwn(issuer, host, { fromMs: await services.databaseTimeMs({ signal: renewal }) }),
    log,
  });
  return behindAdmission(services, member);
};

/** As issueOwn of identity/issuer.ts, which reads a certificate. @throws DepotError `UNAUTHORIZED` for one that is revoked */
const issueOwn = (
  issuer: ReturnType<typeof passportIssuer>,
  { box, member: { revocations } }: Pick<Host, 'box' | 'member'>,
  { fromMs }: { readonly fromMs: number | undefined },
): string => {
  const { identity, notBeforeMs } = box.passport;
  const fault = revocations.fault(identity, notBeforeMs);
  if (fault !== undefined) throw new DepotError('UNAUTHORIZED', fault);
  const times = { revokedMs: revocations.timeOf(identity), fromMs };
  return issuer.issue(identity, box.key.publicKey, times).certificatePem;
};

/** The handlers that the simulator calls. */
const behindAdmission = (services: Services, member: Member): Services => ({
  ...services,
  internal: admitted(internalApi, services.internal, member),
  certificates: admitted(certificateApi, services.certificates, member),
  join: admitted(joinApi, services.join, member),
  operatorUpdate: admitted(operatorUpdateApi, services.operatorUpdate, member),
  operatorFleet: admitted(operatorFleetApi, services.operatorFleet, member),
  operatorRecovery: admitted(operatorRecoveryApi, services.operatorRecovery, member),
  operatorStatement: admitted(operatorStatementApi, services.operatorStatement, member),
  operatorInvitation: admitted(operatorInvitationApi, services.operatorInvitation, member),
});

const readFile = async (disk: Disk, path: string): Promise<Uint8Array> => {
  const file = await disk.openFile(path);
  const bytes = new Uint8Array(await file.sizeBytes());
  await file.read(bytes, 0);
  await file.close();
  return bytes;
};
