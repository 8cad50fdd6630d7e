import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { makeAdminKey } from './admin-key.ts';
import { replaceableCredentials, testFleetIdentity, writeAuthority } from './identity.fixture.ts';
import { issueOwn, openIssuer } from './issuer.ts';

test('a process renews its own certificate until it is revoked, and one that was issued after that again (ISU1)', async () => {
  const fleet = testFleetIdentity();
  const directory = await mkdtemp(join(tmpdir(), 'authority-'));
  await writeAuthority(directory, fleet.authority);
  const own = fleet.issue('nexus');
  const credentials = replaceableCredentials(own);
  const issuer = await openIssuer(directory, {
    ...{ fleet: fleet.fleet, nowMs: Date.now, acceptedPem: () => own.authoritiesPem },
  });
  await rm(directory, { recursive: true });
  expect(issueOwn(issuer, credentials).notAfterMs).toBeGreaterThan(Date.now());
  const { kind, id } = own.identity;
  await credentials.revocations.add([{ kind, id, timeMs: own.notBeforeMs }]);
  expect(() => issueOwn(issuer, credentials)).toThrow(
    /^this process does not renew its own certificate: .* was revoked$/,
  );
  const validity = { notBeforeMs: own.notBeforeMs + 1_000, notAfterMs: own.notAfterMs };
  credentials.replace(fleet.issue('nexus', { id, validity }));
  expect(issueOwn(issuer, credentials).notAfterMs).toBeGreaterThan(Date.now());
});

test('a directory of the authority that has the private admin key is said in the log, and is no fault (ISU2)', async () => {
  const { fleet, authority } = testFleetIdentity();
  const directory = await mkdtemp(join(tmpdir(), 'authority-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  await writeAuthority(directory, authority);
  const warnings: unknown[] = [];
  const log = { warn: (...words: unknown[]) => void warnings.push(words) };
  const open = () => openIssuer(directory, { fleet, nowMs: Date.now, acceptedPem: () => '', log });
  await open();
  expect(warnings).toEqual([]);
  await makeAdminKey(directory);
  expect((await open()).fleet).toBe(fleet);
  expect(warnings).toEqual([
    [{ file: join(directory, 'admin-key.pem') }, expect.stringMatching(/move the file to the person/)],
  ]);
  await rm(join(directory, 'admin-key.pem'));
  await open();
  expect(warnings).toHaveLength(1);
});
