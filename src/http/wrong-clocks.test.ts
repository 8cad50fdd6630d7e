/** Two processes over TLS, of which one has a clock that is far from the other's. */
import { request } from 'undici';
import { expect, test } from 'vitest';
import { depotApi } from '../api/depot-api.ts';
import type { Route } from '../api/route.ts';
import type { Credentials } from '../identity/credentials.ts';
import { replaceableCredentials, testFleetIdentity } from '../identity/identity.fixture.ts';
import { DepotError } from '../lib/errors.ts';
import { silentLogger } from '../lib/log.ts';
import { securePeers } from './peers.ts';
import { serveApi } from './server.ts';

const SLED = '11111111-1111-4111-8111-111111111111';

/** Its handlers only show that they were reached. */
const serveDepot = (credentials: Credentials) =>
  serveApi({
    apis: [
      Object.values<Route>(depotApi.routes).map(route => ({
        route,
        version: depotApi.version,
        handle: async () => {
          throw new DepotError('NOT_FOUND', 'reached');
        },
      })),
    ],
    listen: { host: '127.0.0.1', port: 0 },
    credentials: replaceableCredentials(credentials),
    log: silentLogger,
  });

test('a peer whose certificate counts since next year is served and believed: its issuer’s clock is ahead, or this one booted at 1970 (CB3, T1d)', async () => {
  const fleet = testFleetIdentity();
  const YEAR_MS = 365 * 86_400_000;
  const validity = { notBeforeMs: Date.now() + YEAR_MS, notAfterMs: Date.now() + 2 * YEAR_MS };
  for (const [ofServer, ofClient] of [
    [validity, undefined],
    [undefined, validity],
  ]) {
    const own = fleet.issue('sled', { id: SLED, ...(ofServer && { validity: ofServer }) });
    await using server = await serveDepot(own);
    const credentials = fleet.issue('nexus', { ...(ofClient && { validity: ofClient }) });
    await using peers = securePeers(replaceableCredentials(credentials));
    const dispatcher = peers.dispatcher({ kind: 'sled', id: SLED });
    const { statusCode, body } = await request(
      `https://${server.address}/artifact/sha256/${'0'.repeat(64)}`,
      {
        dispatcher,
      },
    );
    expect(await body.text()).toContain('reached');
    expect(statusCode).toBe(404);
  }
});
