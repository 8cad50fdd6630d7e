/**
 * A fleet of real processes with the certificates of an operator's own authority, as openssl issues them: below intermediates, with
 * subjects, with further names and other keys. No process has the authority's key.
 */

import { randomUUID, X509Certificate } from 'node:crypto';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runTestCli } from '../src/cli/run.fixture.ts';
import type { Credentials } from '../src/identity/credentials.ts';
import type { TestFleetIdentity } from '../src/identity/identity.fixture.ts';
import {
  identified,
  type OpensslAuthority,
  opensslAuthority,
  opensslCertificate,
} from '../src/identity/openssl-authority.fixture.ts';
import type { PeerKind } from '../src/identity/peer-identity.ts';
import { makeTestRelease, type TestRelease } from '../src/signing/release.fixture.ts';
import { until } from './fleet-process.fixture.ts';
import { artifactsOnDisk, hashesOf, waitComplete } from './fleet-state.fixture.ts';
import { startTestFleet, type TestFleet } from './process-fleet.fixture.ts';

const FLEET = 'prod.example.org';

let directory: string;
let fleet: TestFleet;
let releases: readonly [TestRelease, TestRelease];
let far: OpensslAuthority;

const issue = async (
  by: OpensslAuthority,
  kind: PeerKind,
  id: string = randomUUID(),
  shape: Parameters<typeof opensslCertificate>[3] = {},
): Promise<Credentials> =>
  identified(
    await opensslCertificate(join(directory, randomUUID()), by, [`spiffe://${FLEET}/${kind}/${id}`], shape),
  );

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'own-authority-'));
  const root = await opensslAuthority(join(directory, 'root'), FLEET);
  const near = await opensslAuthority(join(directory, 'near'), FLEET, root);
  far = await opensslAuthority(join(directory, 'far'), FLEET, near);
  const sleds = [
    await issue(near, 'sled', randomUUID(), {
      subject: '/O=Example/CN=sled-1',
      alsoNamed: ['DNS:sled-1.example.org'],
    }),
    await issue(far, 'sled', randomUUID(), { key: 'ed25519' }),
    await issue(root, 'sled'),
  ];
  // The second one is the client of this test, which acts as a Nexus.
  const nexuses = [
    await issue(far, 'nexus', randomUUID(), { subject: '/CN=nexus' }),
    await issue(near, 'nexus'),
  ];
  const take = (from: Credentials[]): Credentials => {
    const [next] = from.length > 1 ? from.splice(0, 1) : from;
    if (next === undefined) throw new Error('there are as many as the fleet has processes');
    return next;
  };
  const identity: TestFleetIdentity = {
    fleet: FLEET,
    authority: { certificate: new X509Certificate(root.rootPem), privateKey: undefined as never },
    issue: kind => take(kind === 'nexus' ? nexuses : sleds),
  };
  const first = await makeTestRelease(directory, { systemVersion: '1.0.0' });
  const versions = { timestamp: 2, snapshot: 2, targets: 2 };
  const second = await makeTestRelease(directory, { systemVersion: '2.0.0', versions, keys: first.keys });
  releases = [first, second];
  fleet = await startTestFleet({ identity, sleds: 3, minSledReplication: 1 });
});
afterAll(async () => {
  await fleet?.[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

const nexus = () => fleet.nexuses[0]!;

test('a release reaches every sled of a fleet whose certificates an authority of the operator issued, at several depths (T1)', async () => {
  const [first] = releases;
  await nexus().trust(first);
  await nexus().upload(first);
  await waitComplete(nexus(), '1.0.0');
  for (const { datasets } of fleet.sleds)
    for (const dataset of datasets) expect(await artifactsOnDisk(dataset)).toEqual(hashesOf(first));
  const status = await runTestCli(['status'], { environment: nexus().environment() });
  expect(status, 'the command line trusts the root, and the Nexus below two intermediates').toMatchObject({
    exitCode: 0,
    err: '',
  });
});

test('a certificate with another key and issuer takes the place of the old one without a restart, file by file (CS1)', async () => {
  const sled = fleet.sleds[0]!;
  const { items } = await nexus().fleet.sledList({ query: {} }, { signal: AbortSignal.timeout(60_000) });
  const id = items.find(({ serial }) => serial === sled.serial)!.id;
  const { keyPem, certificatePem } = await issue(far, 'sled', id);
  const home = join(fleet.directory, sled.serial);
  for (const [name, pem] of [
    ['key.pem', keyPem],
    ['certificate.pem', certificatePem],
  ] as const) {
    await writeFile(join(home, `${name}.new`), pem);
    await rename(join(home, `${name}.new`), join(home, name));
  }
  await until(
    async () => (await sled.log()).includes('certificate replaced'),
    'the new certificate is in use',
  );
  await nexus().upload(releases[1]);
  await waitComplete(nexus(), '2.0.0');
});
