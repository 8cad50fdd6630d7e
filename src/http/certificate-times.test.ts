/** When the certificate of the other end counts: by the clock, and by the time of the process that judges. */
import { expect, onTestFinished, test, vi } from 'vitest';
import { replaceableCredentials, testFleetIdentity } from '../identity/identity.fixture.ts';
import type { Validity } from '../identity/issue.ts';
import { secureDispatcher, securePeers } from './peers.ts';
import { fetchAs, SLED, serveSled } from './secure-server.fixture.ts';

test('a caller whose certificate expires is refused on the connection that it opened before (TI2)', async () => {
  const fleet = testFleetIdentity();
  await using server = await serveSled(replaceableCredentials(fleet.issue('sled', { id: SLED })));
  const nexus = fleet.issue('nexus');
  const dispatcher = secureDispatcher(() => nexus, { fleet: fleet.fleet, kind: 'sled' });
  onTestFinished(() => dispatcher.close());
  expect((await fetchAs(server, dispatcher)).status).toBe(404);
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 31 * 86_400_000 });
  onTestFinished(() => void vi.useRealTimers());
  const refused = await fetchAs(server, dispatcher);
  expect(refused.status).toBe(401);
  expect(refused.text).toContain('it has expired');
});

test('a process whose clock is behind believes no certificate that ended before its own began (CS4, JPE3)', async () => {
  const fleet = testFleetIdentity();
  const inMinutes = (minutes: number): number => Date.now() + minutes * 60_000;
  const ending = { notBeforeMs: inMinutes(-60), notAfterMs: inMinutes(30) };
  const later = { notBeforeMs: inMinutes(60), notAfterMs: inMinutes(120) };
  const askAs = async (ownValidity: Validity, serverValidity: Validity) => {
    const sled = fleet.issue('sled', { id: SLED, validity: serverValidity });
    await using server = await serveSled(replaceableCredentials(sled));
    const own = replaceableCredentials(fleet.issue('nexus', { validity: ownValidity }));
    await using peers = securePeers(own);
    return await fetchAs(server, peers.dispatcher({ kind: 'sled', id: SLED }));
  };
  expect(await askAs(ending, ending)).toMatchObject({ status: 404 });
  const refused = await askAs(ending, later);
  expect(refused).toMatchObject({ status: 401, text: expect.stringContaining('it has expired') });
  await expect(askAs(later, ending)).rejects.toThrow(
    /^the certificate of .* does not count: it ended at .* set the clock of this machine, or renew its certificate$/,
  );
});
