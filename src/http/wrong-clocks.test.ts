/** Two processes over TLS, of which one has a certificate that begins in the future: the clock of who issued it was ahead. */
import { expect, test } from 'vitest';
import { certificateApi } from '../api/certificate-api.ts';
import { replaceableCredentials, testFleetIdentity } from '../identity/identity.fixture.ts';
import { renewAnywhere } from '../join/renew-anywhere.ts';
import { endpoint, splitAddress } from '../lib/endpoint.ts';
import { silentLogger } from '../lib/log.ts';
import { bindApi } from './handlers.ts';
import { securePeers } from './peers.ts';
import { fetchAs, SLED, serveSled } from './secure-server.fixture.ts';
import { serveApi } from './server.ts';

const DAY_MS = 86_400_000;
const beginningIn = (days: number) => ({
  notBeforeMs: Date.now() + days * DAY_MS,
  notAfterMs: Date.now() + (days + 30) * DAY_MS,
});

/** What a Nexus gets from a sled; one of both has a certificate that begins in some days. */
const askWith = async (days: number, ahead: 'sled' | 'nexus') => {
  const fleet = testFleetIdentity();
  const validityOf = (kind: 'sled' | 'nexus') => kind === ahead && { validity: beginningIn(days) };
  const sled = fleet.issue('sled', { id: SLED, ...validityOf('sled') });
  await using server = await serveSled(replaceableCredentials(sled));
  const own = replaceableCredentials(fleet.issue('nexus', { ...validityOf('nexus') }));
  await using peers = securePeers(own);
  return await fetchAs(server, peers.dispatcher({ kind: 'sled', id: SLED }));
};

test('a certificate of next week is believed, and whoever has it believes the others (CB3, T1d)', async () => {
  for (const ahead of ['sled', 'nexus'] as const)
    expect(await askWith(7, ahead)).toMatchObject({ status: 404, text: expect.stringContaining('reached') });
});

test('whoever has a certificate of next year refuses those that end before it (CS4)', async () => {
  expect(await askWith(365, 'sled')).toMatchObject({ status: 401 });
  await expect(askWith(365, 'nexus')).rejects.toThrow('or renew its certificate');
});

test('with a certificate of next year a process reaches who renews it (RNA1)', async () => {
  const fleet = testFleetIdentity();
  const certificateRenew = async () => ({ certificate_pem: 'renewed', not_after: new Date().toISOString() });
  await using nexus = await serveApi({
    apis: [bindApi(certificateApi, { certificateRenew })],
    listen: { host: '127.0.0.1', port: 0 },
    credentials: replaceableCredentials(fleet.issue('nexus')),
    log: silentLogger,
  });
  const own = replaceableCredentials(fleet.issue('sled', { id: SLED, validity: beginningIn(365) }));
  const { signal } = new AbortController();
  const at = endpoint('https', splitAddress(nexus.address), { kind: 'nexus' });
  expect(await renewAnywhere([at], own, { signal })).toBe('renewed');
});
