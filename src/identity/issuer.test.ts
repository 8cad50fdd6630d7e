import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
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
