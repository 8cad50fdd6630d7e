/** Uploads that wait for the database: what was received and verified is not thrown away for an outage. */
import { copyFile, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { UploadView } from '../../../api/operator-upload-api.ts';
import { UploadId } from '../../../core/ids.ts';
import { type Clock, systemClock } from '../../../lib/clock.ts';
import { DepotError, findDepotError } from '../../../lib/errors.ts';
import type { TestRelease } from '../../../signing/release.fixture.ts';
import type { Datastore } from '../../datastore/datastore.ts';
import { createTestWorld, type TestNexus, type TestWorld } from '../../process/nexus.fixture.ts';
import { startBehindProxy } from './recording-proxy.fixture.ts';

const wait = { signal: new AbortController().signal };
const PATIENCE = { timeout: 50_000 };
const HOUR = 3_600_000;
const ANSWERED_SOON = { uploadWaits: { answerAfterMs: 100, waitMs: HOUR } };
const REQUEST_STAYS_OPEN = { uploadWaits: { answerAfterMs: HOUR, waitMs: HOUR } };

let world: TestWorld;
let release: TestRelease;
beforeEach(async () => {
  world = await createTestWorld();
  release = await world.release({ artifacts: [200_000, 300_000] });
});
afterEach(() => world[Symbol.asyncDispose]());

const reasonsOf = async (nexus: TestNexus) => (await nexus.fleet.fleetStatus({}, wait)).reasons;
const waitingOf = async (nexus: TestNexus) =>
  (await reasonsOf(nexus)).filter(({ code }) => code === 'UPLOAD_WAITING');
const view = (nexus: TestNexus, upload_id: string): Promise<UploadView> =>
  nexus.uploads.uploadView({ params: { upload_id } }, wait);

/** Uploads; the answer names the id to poll. */
const uploadThatWaits = async (nexus: TestNexus): Promise<UploadId> => {
  const error = await nexus.upload(release).catch((told: unknown) => told);
  expect(error).toMatchObject({ code: 'DATABASE_UNAVAILABLE', detail: { retry_after_s: 5 } });
  return UploadId.parse(findDepotError(error)?.detail.upload_id);
};

const recordedRows = () =>
  world.database.query(
    `SELECT (SELECT count(*)::int FROM tuf_repo) AS repos,
            (SELECT count(*)::int FROM local_repo) AS local`,
  );

test('an archive whose recording meets an outage waits, is named in the status, and is recorded when the database is back', async () => {
  const { nexus, proxy } = await startBehindProxy(world, release, { replace: ANSWERED_SOON });
  await using _ = proxy;
  proxy.setRefusing(true);
  const uploadId = await uploadThatWaits(nexus);
  expect(await view(nexus, uploadId)).toMatchObject({
    state: 'waiting',
    system_version: release.systemVersion,
    waiting: { stage: 'recording', time_until: expect.any(String) },
  });
  expect(await waitingOf(nexus)).toMatchObject([
    {
      details: { upload_id: expect.any(String), stage: 'recording' },
      message: expect.stringMatching(/is received and verified and waits for the database/),
    },
  ]);
  expect(await nexus.staged()).toHaveLength(2);
  expect(await recordedRows()).toEqual([{ repos: 0, local: 0 }]);

  proxy.setRefusing(false);
  await expect.poll(async () => (await view(nexus, uploadId)).state, PATIENCE).toBe('recorded');
  expect((await view(nexus, uploadId)).result).toMatchObject({ status: 'inserted' });
  expect(nexus.services.staging.held()).toMatchObject([{ uploadId }]);
  expect(await recordedRows()).toEqual([{ repos: 1, local: 1 }]);
  expect(await waitingOf(nexus)).toEqual([]);
});

test('a client that keeps its request open is answered once its archive is recorded', async () => {
  const { nexus, proxy } = await startBehindProxy(world, release, { replace: REQUEST_STAYS_OPEN });
  await using _ = proxy;
  proxy.setRefusing(true);
  const upload = nexus.upload(release);
  await expect.poll(async () => (await waitingOf(nexus)).length, PATIENCE).toBe(1);
  proxy.setRefusing(false);
  expect(await upload).toMatchObject({ status: 'inserted' });
});

test('an upload that has waited as long as it may fails, leaves nothing, and reports so when polled', async () => {
  const uploadWaits = { answerAfterMs: 1, waitMs: 1 };
  const { nexus, proxy } = await startBehindProxy(world, release, { replace: { uploadWaits } });
  await using _ = proxy;
  proxy.setRefusing(true);
  const uploadId = await uploadThatWaits(nexus);
  await expect.poll(async () => (await view(nexus, uploadId)).state, PATIENCE).toBe('failed');
  expect((await view(nexus, uploadId)).error).toMatchObject({ error_code: 'DATABASE_UNAVAILABLE' });
  expect(await nexus.staged()).toEqual([]);
  expect(nexus.services.staging.uploadsInProgress()).toBe(0);
});

test('waiting uploads count towards the limit of uploads at once', async () => {
  const config = { limits: { uploads_at_once: 1 } };
  const { nexus, proxy } = await startBehindProxy(world, release, { config, replace: ANSWERED_SOON });
  await using _ = proxy;
  proxy.setRefusing(true);
  await uploadThatWaits(nexus);
  await expect(nexus.upload(release)).rejects.toMatchObject({
    code: 'TOO_MANY_UPLOADS',
    message: expect.stringContaining('1 of them wait for the database'),
  });
});

test('stopped while it waits, an archive that was never recorded is removed', async () => {
  const { nexus, proxy } = await startBehindProxy(world, release, { replace: ANSWERED_SOON });
  await using _ = proxy;
  proxy.setRefusing(true);
  await uploadThatWaits(nexus);
  await nexus[Symbol.asyncDispose]();
  expect(await nexus.staged()).toEqual([]);
});

test('killed while an archive waits that was never recorded: the next start removes it, and knows no such upload (P4)', async () => {
  const { nexus, proxy } = await startBehindProxy(world, release, { replace: ANSWERED_SOON });
  await using _ = proxy;
  proxy.setRefusing(true);
  const uploadId = await uploadThatWaits(nexus);
  // What a kill leaves is what is on the disk now.
  const killed = join(world.directory, 'killed-staging');
  await mkdir(killed);
  for (const name of await readdir(nexus.stagingDirectory))
    if (name !== 'lock') await copyFile(join(nexus.stagingDirectory, name), join(killed, name));
  await nexus[Symbol.asyncDispose]();

  const next = await world.startNexus({ name: 'killed', id: nexus.id });
  expect(next.id).toBe(nexus.id);
  expect(await next.staged()).toEqual([]);
  await expect(view(next, uploadId)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  expect(await next.upload(release)).toMatchObject({ status: 'inserted' });
});

type Verb = 'releaseInsert' | 'trustRootList';
type Fate = (call: () => Promise<unknown>) => Promise<unknown>;

/** A Nexus whose calls to the database meet the fates that the test gives, one after the other, and then none. */
const startWithFates = async (
  fates: Partial<Record<Verb, Fate[]>>,
  {
    uploadWaits = REQUEST_STAYS_OPEN.uploadWaits,
    clock,
  }: { readonly uploadWaits?: typeof REQUEST_STAYS_OPEN.uploadWaits; readonly clock?: Clock } = {},
): Promise<TestNexus> => {
  const direct = await world.database.openDatastore();
  const fated =
    (verb: Verb) =>
    (...args: unknown[]): Promise<unknown> => {
      const call = () => (direct[verb] as (...all: unknown[]) => Promise<unknown>)(...args);
      return (fates[verb]?.shift() ?? (real => real()))(call);
    };
  const replaced = { releaseInsert: fated('releaseInsert'), trustRootList: fated('trustRootList') };
  const openDatastore = async () => ({ ...direct, ...replaced }) as Datastore;
  return world.startNexus({ replace: { openDatastore, uploadWaits }, ...(clock && { clock }) });
};

const aborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }));

/** The commit is done, and its call is given up before the database has said so. */
const committedUnanswered: Fate = async call => {
  await call();
  throw new DepotError('COMMIT_UNCERTAIN', 'given up before the database reported whether it was committed');
};

const unavailable = async (): Promise<never> => {
  throw new DepotError('DATABASE_UNAVAILABLE', 'the database does not answer');
};

test('an outage between receiving and verifying loses no bytes either', async () => {
  const fates: Fate[] = [];
  const nexus = await startWithFates({ trustRootList: fates });
  await nexus.trust(release);
  fates.push(unavailable, unavailable);
  expect(await nexus.upload(release)).toMatchObject({ status: 'inserted' });
  expect(fates).toEqual([]);
});

test('an upload that waited a little, and then takes long, no longer counts as waiting: its client is answered with the outcome', async () => {
  const fates: Fate[] = [];
  const elapsed = Promise.withResolvers<void>();
  const answerAfterMs = 7_654_321; // nobody else sleeps as long as this
  /** The time after which a client of a waiting upload is answered passes when the test says so. */
  const clock: Clock = {
    ...systemClock,
    sleep: (ms, { signal }) =>
      ms === answerAfterMs
        ? Promise.race([elapsed.promise, aborted(signal)])
        : systemClock.sleep(ms, { signal }),
  };
  const recording: Fate = async call => {
    elapsed.resolve();
    await setImmediate();
    return call();
  };
  const nexus = await startWithFates(
    { trustRootList: fates, releaseInsert: [recording] },
    { uploadWaits: { answerAfterMs, waitMs: HOUR }, clock },
  );
  await nexus.trust(release);
  fates.push(unavailable);
  expect(await nexus.upload(release)).toMatchObject({ status: 'inserted' });
  expect(fates).toEqual([]);
});

test('a commit that its call left uncertain is settled by the Nexus that has the archive, whatever the database says in between (P4)', async () => {
  const nexus = await startWithFates(
    {
      releaseInsert: [
        committedUnanswered,
        // A standby refuses what it is asked, which says nothing of what was committed.
        async () => {
          throw new DepotError('INTERNAL', 'the database refused a statement (SQLSTATE 0A000)');
        },
        unavailable,
      ],
    },
    { uploadWaits: { answerAfterMs: HOUR, waitMs: 0 } },
  );
  await nexus.trust(release);
  expect(await nexus.upload(release)).toMatchObject({ status: 'inserted' });
  expect(nexus.services.staging.held()).toHaveLength(1);
  expect(await recordedRows()).toEqual([{ repos: 1, local: 1 }]);
});

test('stopped while its commit is uncertain, an archive is left to the next start, which adopts it (P4)', async () => {
  const nexus = await startWithFates(
    {
      releaseInsert: [committedUnanswered, ...Array.from({ length: 1000 }, () => unavailable)],
    },
    { uploadWaits: ANSWERED_SOON.uploadWaits },
  );
  await nexus.trust(release);
  const uploadId = await uploadThatWaits(nexus);
  expect((await view(nexus, uploadId)).waiting).not.toHaveProperty('time_until');
  await nexus[Symbol.asyncDispose]();
  expect(await nexus.staged()).toHaveLength(2);

  const again = await world.startNexus();
  expect(again.services.staging.held()).toMatchObject([{ uploadId }]);
});
