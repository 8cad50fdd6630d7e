/**
 * The demo: the whole life of a release on a local fleet of real processes, and a check of the disks that does
 * not rely on any report.
 *
 *     fleet ─▶ two releases ─▶ upload ─▶ replicate ─▶ audit ─▶ second upload ─▶ delete the first ─▶ audit ─▶ stop
 *
 * DM1. It succeeds only if every step held, on every dataset of every sled.
 * DM2. However it ends, it leaves no process and no file behind.
 */
import { readFile } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { plural } from '../../core/facts/phrase.ts';
import { type ArtifactHash, SystemVersion } from '../../core/ids.ts';
import { adminKeyPaths, readAdminKey } from '../../identity/admin-key.ts';
import { DepotError } from '../../lib/errors.ts';
import { makeDemoDirectory } from '../../local-fleet/demo-directory.ts';
import { hashesOnDisk } from '../../local-fleet/disk-audit.ts';
import { type Fleet, startFleet } from '../../local-fleet/launcher.ts';
import { readFleetTrust } from '../connection/connection.ts';
import { type Depot, openDepot } from '../connection/depot-client.ts';
import { type Signer, sendStatement } from '../connection/statements.ts';
import { formatBytes, formatDuration, formatPercent, formatRate } from '../output/quantities.ts';
import { programCommand } from '../program-path.ts';
import type { Session } from '../session/session.ts';
import { describeRoot } from '../trust/root-description.ts';
import { readRootFile } from '../trust/root-file.ts';
import { exemptionText, exemptUploaded } from '../upload/exemption.ts';
import { uploadArchive } from '../upload/upload.ts';
import { openUploadFile } from '../upload/upload-source.ts';
import { waitForRelease } from '../upload/wait-for-release.ts';
import { auditStep, type Expected } from './audit-step.ts';
import { type DemoArtifact, type DemoRelease, unshared } from './demo-releases.ts';
import { INDENT, type Narrator } from './narrator.ts';
import { type DemoReleases, makeReleases, neededBytes } from './releases.ts';
import { countTransfers, type Transfers } from './transfers.ts';
import { trustedText, waitUntilTrusted } from './trusted.ts';

export const DEMO_STEPS = 7;
/** A local fleet that has not replicated a release by then never will. */
const COMPLETE_TIMEOUT_MS = 10 * 60_000;
const REMOVED_TIMEOUT_MS = 2 * 60_000;
const POLL_MS = 200;

export type DemoOptions = {
  readonly nexuses: number;
  readonly sleds: number;
  /** The user's own archive. */
  readonly userFile: string | undefined;
};

export type DemoOutcome = {
  readonly fleet: Fleet;
  readonly releases: DemoReleases;
  readonly transfers: Transfers;
  readonly removed: number;
  readonly hashedBytes: number;
};

/**
 * Runs the demo; `afterwards` runs while the fleet still does.
 *
 * @throws `DEMO_FAILED`, `CHILD_FAILED`, and whatever a command may; the signal's reason
 */
export const runDemo = async (
  outer: Session,
  narrator: Narrator,
  options: DemoOptions,
  afterwards: (outcome: DemoOutcome, session: Session) => Promise<void>,
): Promise<void> => {
  const userFile = options.userFile === undefined ? undefined : resolve(outer.directory, options.userFile);
  const needed = await neededBytes(userFile, options.sleds);
  await using directory = await makeDemoDirectory(needed, outer.directory);
  await using stack = new AsyncDisposableStack();
  const fleet = stack.use(
    await narrator.step('start', `Start a fleet: PostgreSQL, ${fleetText(options)}`, () =>
      startDemoFleet(outer, narrator, directory.fleet, options),
    ),
  );
  // A process that exits by itself ends the demo, with its log; otherwise the demo would wait for nothing.
  const failure = new AbortController();
  fleet.failed.catch((error: unknown) => failure.abort(error));
  const session = {
    ...outer,
    terminal: { ...outer.terminal, indent: INDENT },
    signal: AbortSignal.any([outer.signal, failure.signal]),
  };
  const token = (await readFile(fleet.paths.tokenFile, 'utf8')).trim();
  const trust = await readFleetTrust(fleet.authoritiesFile);
  const depots = fleet.nexuses.map(({ operatorUrl }) =>
    stack.use(openDepot({ url: operatorUrl, token, trust }, session)),
  );
  const outcome = await tellStory({ session, narrator, fleet, depots, directory: directory.path, userFile });
  await afterwards(outcome, session);
};

const fleetText = ({ nexuses, sleds }: DemoOptions): string =>
  `${nexuses === 1 ? 'one Nexus' : `${nexuses} Nexuses`}, ${plural(sleds, 'sled agent')} with two datasets each`;

const startDemoFleet = async (
  { terminal, signal }: Session,
  narrator: Narrator,
  directory: string,
  { nexuses, sleds }: DemoOptions,
): Promise<Fleet> => {
  const fleet = await startFleet({
    directory,
    nexuses,
    sleds,
    program: programCommand(),
    stablePorts: false,
    onStep: step => terminal.note(terminal.noteStyle.dim(`   ${step} …`)),
    signal,
  });
  for (const { name, operatorUrl, pid } of fleet.nexuses) narrator.say(`${name}  ${operatorUrl}  pid ${pid}`);
  for (const { name, depotUrl, pid } of fleet.sleds) narrator.say(`${name}   ${depotUrl}  pid ${pid}`);
  const { minSledReplication: minimum } = fleet;
  narrator.say(`a release is safe when ${plural(minimum, 'sled')} hold${minimum === 1 ? 's' : ''} all of it`);
  return fleet;
};

type Story = {
  readonly session: Session;
  readonly narrator: Narrator;
  readonly fleet: Fleet;
  readonly depots: readonly Depot[];
  readonly directory: string;
  readonly userFile: string | undefined;
};

const tellStory = async (story: Story): Promise<DemoOutcome> => {
  const { session, narrator, fleet, depots, directory, userFile } = story;
  const [depot] = depots;
  if (depot === undefined) throw new DepotError('INTERNAL', 'a fleet has at least one Nexus');
  const { step } = narrator;
  const title =
    userFile === undefined
      ? 'Assemble and sign two releases from real files'
      : 'Read your release, and make its successor';
  const releases = await step('assemble', title, () =>
    makeReleases(session, narrator, { userFile, directory }),
  );
  const { first, second } = releases;

  await step('upload', `Trust its signer and upload ${first.version}`, async () => {
    await trust(story, depot, first);
    await upload(story, depot, first);
  });
  const transfers = await step('replicate', 'Every sled receives every artifact, on both datasets', () =>
    replicate(story, depot, first, [...first.artifacts.values()]),
  );
  const before = await step('audit', 'Check the disks, without asking the fleet', () =>
    auditStep(session, narrator, fleet.sleds, expectedOf([first])),
  );
  await step('second', `Upload ${second.version}, which shares artifacts, and let it replicate`, async () => {
    const other = depots.at(-1) ?? depot;
    if (userFile !== undefined) await trust(story, other, second);
    await upload(story, other, second);
    const fresh = unshared(second, first);
    const added = [...second.artifacts.values()].filter(({ sha256 }) => fresh.has(sha256));
    await replicate(story, other, second, added);
    await requireOnDisk(fleet.sleds, expectedOf([first, second]).hashes);
    narrator.say(`${first.version} and ${second.version} are both present, shared artifacts once`);
  });
  const removed = unshared(first, second);
  const after = await step(
    'delete',
    `Delete ${first.version}: artifacts that ${second.version} does not list are deleted`,
    async () => {
      await depot.updates.repositoryDelete({
        params: { system_version: SystemVersion.parse(first.version) },
      });
      await waitUntilRemoved(story, removed);
      const audit = await auditStep(session, narrator, fleet.sleds, expectedOf([second]));
      const kept = first.artifacts.size - removed.size;
      narrator.say(
        `exactly the ${plural(removed.size, 'unshared artifact')} were deleted; the ${kept} shared ones stayed`,
      );
      return audit;
    },
  );
  return {
    fleet,
    releases,
    transfers,
    removed: removed.size,
    hashedBytes: before.hashedBytes + after.hashedBytes,
  };
};

const expectedOf = (releases: readonly DemoRelease[]): Expected => {
  const artifacts = new Map<ArtifactHash, DemoArtifact>(releases.flatMap(release => [...release.artifacts]));
  const bytes = [...artifacts.values()].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  return { hashes: new Set(artifacts.keys()), bytes };
};

const trust = async (
  { session, narrator, fleet }: Story,
  depot: Depot,
  release: DemoRelease,
): Promise<void> => {
  const root = await readRootFile(release.path, 'newest', session);
  const body: unknown = JSON.parse(new TextDecoder().decode(root.bytes));
  const signer = await signerOf(fleet, depot);
  const content = { kind: 'trust_root', rootSha256: root.digest } as const;
  await sendStatement(depot, signer, content, session.clock.nowMs());
  await depot.updates.trustRootCreate({ body });
  narrator.say(`trusts root version ${root.version}, keys ${describeRoot(body).keyText}`);
  const trusting = await waitUntilTrusted(session, depot, {
    ...{ sleds: fleet.sleds.length, rootSha256: root.digest, adminKey: signer.key.digest },
  });
  narrator.say(trustedText(trusting));
};

/** The person of the demo has the admin key of its fleet. */
const signerOf = async ({ authoritiesFile }: Fleet, depot: Depot): Promise<Signer> => {
  const known = await depot.statements.statementList();
  const key = await readAdminKey(adminKeyPaths(dirname(authoritiesFile)).keyFile);
  if (depot.provenFleet === undefined) throw new DepotError('INTERNAL', 'the fleet of the demo has no name');
  return { key, known, fleet: depot.provenFleet };
};

const upload = async (
  { session, narrator, fleet }: Story,
  depot: Depot,
  release: DemoRelease,
): Promise<void> => {
  await using source = await openUploadFile(release.path);
  const fileName = basename(release.path);
  const { sentBytes, sendMs, verifyMs } = await uploadArchive(session, depot, { fileName, source });
  narrator.say(
    `${formatBytes(sentBytes)} sent in ${formatDuration(sendMs)} (${formatRate((sentBytes * 1000) / Math.max(1, sendMs))})`,
  );
  narrator.say(`every signature and byte verified in ${formatDuration(verifyMs)} more`);
  const signer = await signerOf(fleet, depot);
  const version = SystemVersion.parse(release.version);
  const exemption = await exemptUploaded(depot, signer, version, session.clock.nowMs());
  const text = exemptionText(exemption, version);
  if (text !== undefined) narrator.say(text);
};

const replicate = async (
  { session, narrator, depots, fleet }: Story,
  depot: Depot,
  release: DemoRelease,
  /** The artifacts that no sled held before. */
  added: readonly DemoArtifact[],
): Promise<Transfers> => {
  const version = SystemVersion.parse(release.version);
  const outcome = await waitForRelease(session, depot, {
    version,
    goal: 'complete',
    timeoutMs: COMPLETE_TIMEOUT_MS,
  });
  if (outcome.kind !== 'reached') {
    const why = outcome.release.reasons.map(reason => reason.message).join('; ');
    throw new DepotError(
      'DEMO_FAILED',
      `${version} is not complete: ${outcome.release.state}${why === '' ? '' : ` (${why})`}`,
    );
  }
  const transfers = await countTransfers(depots, added, fleet.sleds.length);
  const total = transfers.byNexusBytes + transfers.byPeersBytes;
  narrator.say(
    `complete on ${plural(outcome.release.sleds_holding_all, 'sled')} after ${formatDuration(outcome.elapsedMs)}`,
  );
  narrator.say(
    `${formatBytes(transfers.byNexusBytes)} came from Nexus, ${formatBytes(transfers.byPeersBytes)} from sled to sled ` +
      `(${formatPercent(transfers.byPeersBytes, total)})`,
  );
  return transfers;
};

/** By name alone: the bytes are hashed before and after. @throws `DEMO_FAILED` */
const requireOnDisk = async (sleds: Fleet['sleds'], expected: ReadonlySet<ArtifactHash>): Promise<void> => {
  for (const sled of sleds) {
    for (const directory of sled.datasets) {
      const found = await hashesOnDisk([{ name: sled.name, datasets: [directory] }]);
      if (found.size === expected.size && expected.isSubsetOf(found)) continue;
      throw new DepotError(
        'DEMO_FAILED',
        `${directory} has ${found.size} artifacts; ${expected.size} others should be there`,
      );
    }
  }
};

/** Sleds delete on their own time; the audit names an artifact that is not deleted by then. */
const waitUntilRemoved = async (
  { session, fleet }: Story,
  removed: ReadonlySet<ArtifactHash>,
): Promise<void> => {
  const deadlineMs = session.clock.monotonicMs() + REMOVED_TIMEOUT_MS;
  while (session.clock.monotonicMs() < deadlineMs) {
    const onDisk = await hashesOnDisk(fleet.sleds);
    if ([...removed].every(sha256 => !onDisk.has(sha256))) return;
    await session.clock.sleep(POLL_MS, session);
  }
};
