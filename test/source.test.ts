/** S18: a fleet of real processes that follows a repository on an HTTP server. */
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeTestRepository, type TestReleaseOptions } from '../src/signing/release.fixture.ts';
import { keysForAllRoles } from '../src/signing/sign-metadata.ts';
import { generateSigningKey } from '../src/signing/signing-keys.ts';
import { type RepositoryServer, sendFile, serveRepository } from '../src/source/repository-server.fixture.ts';
import { storedPartBytes } from '../src/source/stored-part.fixture.ts';
import { until, wait } from './fleet-process.fixture.ts';
import { artifactsOnDisk, waitComplete } from './fleet-state.fixture.ts';
import { startTestFleet, type TestFleet } from './process-fleet.fixture.ts';

const keys = keysForAllRoles([generateSigningKey()]);
const repository = (systemVersion: string, of: number, options: TestReleaseOptions = {}) =>
  makeTestRepository({
    keys,
    systemVersion,
    artifacts: [{ sizeBytes: 2_000_000 }, { sizeBytes: 50_000 }],
    versions: { timestamp: of, snapshot: of, targets: of },
    ...options,
  });

let server: RepositoryServer;
let fleet: TestFleet;
beforeAll(async () => {
  server = await serveRepository();
  fleet = await startTestFleet({
    sleds: 2,
    minSledReplication: 2,
    nexusConfig: { source: [{ name: 'vendor', url: server.url, period_secs: 1 }] },
  });
});
afterAll(async () => {
  await fleet?.[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});
const nexus = () => fleet.nexuses[0]!;
const hashesOnEveryDisk = async () =>
  Promise.all(fleet.sleds.flatMap(sled => sled.datasets.map(dataset => artifactsOnDisk(dataset))));

test('a version that is published upstream reaches every disk of the fleet without an upload', async () => {
  const first = await repository('1.0.0', 1);
  server.publish(first.files);
  await nexus().update.trustRootCreate({ body: JSON.parse(Buffer.from(first.trustRoot).toString()) }, wait);
  await waitComplete(nexus(), '1.0.0');
  const wanted = first.artifacts.map(({ sha256 }) => sha256).sort();
  for (const held of await hashesOnEveryDisk()) expect(held).toEqual(wanted);
});

test('a Nexus that is killed while it fetches the next version resumes (SY3)', async () => {
  const second = await repository('2.0.0', 2);
  const large = second.artifacts.find(({ sizeBytes }) => sizeBytes === 2_000_000)!;
  const path = `/targets/${large.targetName}`;
  server.odd.set(path, (_, response) => {
    response.writeHead(200, { etag: '"the one"', 'content-length': large.sizeBytes });
    response.write(large.bytes.subarray(0, 1_000_000));
  });
  server.publish(second.files);
  const sources = join(nexus().stagingDirectory, 'sources');
  await until(async () => (await storedPartBytes(sources)) === 1_000_000, 'half of the target is stored');
  await nexus().kill();

  server.requests.length = 0;
  server.odd.set(path, (request, response) => {
    // The same file, under the same ETag.
    if (request.headers['if-range'] === '"the one"') delete request.headers['if-range'];
    sendFile(request, response, large.bytes);
  });
  await nexus().start();
  await waitComplete(nexus(), '2.0.0');
  const ranges = server.requests.filter(request => request.startsWith(`GET ${path}`));
  expect(ranges).toEqual([expect.stringMatching(/ bytes=[1-9]\d+-$/)]);
});

test('an upstream that rolls back is refused, and the status says so until it is repaired (SY4)', async () => {
  server.odd.clear();
  const third = await repository('3.0.0', 3);
  server.publish((await repository('1.0.0', 1)).files);
  await until(async () => {
    const { reasons } = await nexus().fleet.fleetStatus({}, wait);
    return reasons.some(
      ({ code, details }) => code === 'SOURCE_REFUSED' && /version 1\b/.test(String(details?.error)),
    );
  }, 'the refusal in the status');
  server.publish(third.files);
  await waitComplete(nexus(), '3.0.0');
  await until(
    async () => (await nexus().fleet.fleetStatus({}, wait)).verdict === 'ok',
    'the verdict is ok again',
  );
});
