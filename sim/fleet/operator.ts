/** The operator of a simulated fleet: uploads, deletes, adds, removes, and retries after a request without an answer. */
import type { FleetStatus } from '../../src/api/operator-fleet-api.ts';
import { SystemVersion } from '../../src/core/ids.ts';
import type { Rng } from '../../src/core/rng.ts';
import type { Clock } from '../../src/lib/clock.ts';
import { errorCodeOf, messageChain } from '../../src/lib/errors.ts';
import { silentLogger } from '../../src/lib/log.ts';
import type { Services } from '../../src/nexus/process/services.ts';
import { chunksOf, receive } from '../network/body.ts';
import { call, type Incoming } from '../network/call.ts';
import { ADMIN, operatorContext, requestContext } from '../network/request-context.ts';
import { createProcess } from '../time/process.ts';
import { pick } from '../time/streams.ts';
import type { SimRelease } from './releases.ts';
import type { SimNexus, World } from './world.ts';

const MOST_TRIES = 3;
const RETRY_MS = 20_000;
/** How long the operator waits for the answer to one request. */
const PATIENCE_MS = 120_000;

export type Operator = {
  /** How many uploads are in progress or about to begin. */
  readonly uploading: () => number;
  readonly upload: (release: SimRelease, nexus: SimNexus, afterMs?: number) => void;
  readonly remove: (release: SimRelease, nexus: SimNexus) => void;
  /** The outcome of the last upload and of the last deletion of each release, as far as an answer arrived. */
  readonly records: ReadonlyMap<SystemVersion, ReleaseRecord>;
  /** Any other request to a Nexus; resolves with undefined if it failed. */
  readonly ask: <T>(nexus: SimNexus, work: Work<T>) => Promise<T | undefined>;
};

type ReleaseRecord = {
  acknowledgedAtMs: number | undefined;
  /** The time of its last request to delete the release. */
  removedAtMs: number | undefined;
  /** The final refusal of the last upload, and the time of the first such refusal in a row; undefined after a success. */
  refused: { readonly code: string; readonly sinceMs: number } | undefined;
};

type Work<T> = (services: Services, incoming: Incoming<Services>) => Promise<T>;
type Ask = <T>(nexus: SimNexus, work: Work<T>) => Promise<T>;

export const createOperator = (world: World, rng: Rng): Operator => {
  const process = createProcess('operator', world.scheduler);
  const caller = { machine: 'operator', process, identity: undefined, operator: ADMIN };
  let uploading = 0;
  const records = new Map<SystemVersion, ReleaseRecord>();
  const record: Recorder = (version, news) =>
    void records.set(version, { ...(records.get(version) ?? NO_RECORD), ...news });
  const ask: Ask = (nexus, work) =>
    call(
      world.network,
      caller,
      nexus.machine,
      { signal: process.clock.timeout(PATIENCE_MS), isOnce: true, expected: undefined },
      incoming => work(incoming.endpoint, incoming),
    );
  const upload = createUpload({ world, rng, clock: process.clock, ask, records, record });

  return {
    uploading: () => uploading,
    records,
    upload(release, nexus, afterMs = 0) {
      uploading += 1;
      const begin = () =>
        upload(release, nexus).finally(() => {
          uploading -= 1;
        });
      if (afterMs === 0) void begin();
      else process.after(afterMs, begin);
    },
    remove(release, nexus) {
      world.trace.say('operator', `deletes ${release.systemVersion}`);
      record(release.systemVersion, { removedAtMs: world.scheduler.nowMs() });
      ask(nexus, (services, incoming) =>
        services.operatorUpdate.repositoryDelete({
          ...requestContext(incoming),
          log: silentLogger,
          params: { system_version: SystemVersion.parse(release.systemVersion) },
          query: {},
          body: undefined,
        } as never),
      ).then(
        () => world.trace.say('operator', `${release.systemVersion} is deleted`),
        error => world.trace.say('operator', `${release.systemVersion} not deleted: ${messageChain(error)}`),
      );
    },
    ask: (nexus, work) => ask(nexus, work).catch(() => undefined),
  };
};

type Recorder = (version: SystemVersion, news: Partial<ReleaseRecord>) => void;

const NO_RECORD: ReleaseRecord = { acknowledgedAtMs: undefined, removedAtMs: undefined, refused: undefined };

type UploadDeps = {
  readonly world: World;
  readonly rng: Rng;
  readonly clock: Clock;
  readonly ask: Ask;
  readonly records: ReadonlyMap<SystemVersion, ReleaseRecord>;
  readonly record: Recorder;
};

/** Errors that another attempt cannot change. */
const FOR_GOOD: ReadonlySet<string> = new Set([
  'RELEASE_CONFLICT',
  'FLEET_SPACE',
  'METADATA_ROLLBACK',
  'METADATA_EXPIRED',
]);

/** An upload that is retried, at any Nexus, until one answers or refuses for good. */
const createUpload =
  ({ world, rng, clock, ask, records, record }: UploadDeps) =>
  async (release: SimRelease, first: SimNexus): Promise<void> => {
    let nexus = first;
    for (let tries = 1; tries <= MOST_TRIES; tries += 1) {
      world.trace.say('operator', `uploads ${release.systemVersion} to ${nexus.machine.name}`);
      try {
        const answer = await sendRelease(world, ask, release, nexus);
        const nowMs = world.scheduler.nowMs();
        record(release.systemVersion, { acknowledgedAtMs: nowMs, refused: undefined });
        world.trace.reached('an upload was acknowledged');
        if (answer.status === 'already_exists') world.trace.reached('a release was uploaded again');
        world.trace.say('operator', `${release.systemVersion} is ${answer.status}`);
        return;
      } catch (error) {
        sayFailure(world, release, error);
        const code = errorCodeOf(error);
        if (FOR_GOOD.has(code)) {
          const { refused } = records.get(release.systemVersion) ?? NO_RECORD;
          const sinceMs = refused?.code === code ? refused.sinceMs : world.scheduler.nowMs();
          record(release.systemVersion, { refused: { code, sinceMs } });
          return;
        }
      }
      await clock.sleep(RETRY_MS, { signal: new AbortController().signal });
      nexus = pick(rng, world.nexuses);
    }
  };

const sendRelease = (world: World, ask: Ask, release: SimRelease, nexus: SimNexus) => {
  const chunks = chunksOf(release.bytes);
  return ask(nexus, (services, incoming) =>
    services.operatorUpdate.repositoryUpload({
      ...requestContext(incoming),
      params: {},
      query: { file_name: `${release.systemVersion}.zip` },
      body: {
        contentLength: release.bytes.length,
        // A flipped bit that no signature covers would make another archive of the same release.
        chunks: receive(world.network, chunks, incoming, chunk => chunk),
      },
    }),
  );
};

const sayFailure = (
  { trace, database }: World,
  { systemVersion, sha256 }: SimRelease,
  error: unknown,
): void => {
  const wasRecorded = [...database.snapshot().releases.values()].some(({ repo }) => repo.hash === sha256);
  if (wasRecorded) trace.reached('an upload was recorded and its client got no answer');
  trace.say('operator', `upload of ${systemVersion} failed: ${messageChain(error)}`);
};

/** The status of a Nexus, read without the network; undefined if no process answers there. */
export const readStatus = async (
  serving: ReturnType<SimNexus['machine']['serving']>,
): Promise<FleetStatus | undefined> => {
  if (serving === undefined) return undefined;
  const { signal } = new AbortController();
  return serving.endpoint.operatorFleet.fleetStatus({
    ...operatorContext(signal),
    params: {},
    query: {},
    body: undefined,
  }) as Promise<FleetStatus>;
};
