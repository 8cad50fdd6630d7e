/**
 * What the renewal of certificates costs a Nexus: each sled connects anew, is identified, and gets a certificate.
 *
 *     bin/node24 bench/renewals.ts [sleds] [at once]
 *
 * Nexus and sleds are two processes, and the database answers at once. Figures are milliseconds of processor time of the Nexus, beside
 * those of the same connections without a renewal.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { certificateApi } from '../src/api/certificate-api.ts';
import { createApiClient } from '../src/http/client.ts';
import { bindApi } from '../src/http/handlers.ts';
import { secureDispatcher } from '../src/http/peers.ts';
import { serveApi } from '../src/http/server.ts';
import type { Credentials } from '../src/identity/credentials.ts';
import {
  replaceableCredentials,
  testFleetIdentity,
  writeAuthority,
} from '../src/identity/identity.fixture.ts';
import { openIssuer } from '../src/identity/issuer.ts';
import { createLimiter } from '../src/lib/limiter.ts';
import { silentLogger } from '../src/lib/log.ts';
import { createCertificateApi } from '../src/nexus/api/certificate-api.ts';

type Order = { readonly directory: string; readonly credentials: Credentials };

const cpuMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e3;
};
const ask = async <T>(child: ChildProcess, message: unknown): Promise<T> => {
  const answer = once(child, 'message');
  child.send(message as never);
  return (await answer)[0];
};

const serve = async ({ directory, credentials }: Order): Promise<string> => {
  const source = replaceableCredentials(credentials);
  const issuer = await openIssuer(directory, {
    ...{ fleet: credentials.identity.fleet, nowMs: Date.now },
    acceptedPem: () => credentials.authoritiesPem,
  });
  const handlers = createCertificateApi({
    datastore: {
      sledKeyGet: async () => ({
        ...{ policy: undefined, key: undefined, current: undefined, nowMs: Date.now() },
      }),
      nexusStanding: async () => ({ policy: undefined, revokedMs: null, nowMs: Date.now() }),
    },
    issuer,
    revokedMs: source.revocations.timeOf,
    isUndone: source.revocations.isUndone,
    sledsInService: () => undefined,
  });
  const { address } = await serveApi({
    apis: [bindApi(certificateApi, handlers)],
    listen: { host: '127.0.0.1', port: 0 },
    credentials: source,
    log: silentLogger,
  });
  return address;
};

/** The Nexus: serves, then answers how much processor time it has used. */
if (process.send !== undefined) {
  process.on('message', async (message: Order | 'cpu') =>
    process.send?.(message === 'cpu' ? cpuMs() : await serve(message)),
  );
} else {
  const [sleds = 1_000, atOnce = 16] = process.argv.slice(2).map(Number);
  const fleet = testFleetIdentity();
  const directory = await mkdtemp(join(tmpdir(), 'bench-renewals-'));
  const child = fork(import.meta.filename);
  try {
    await writeAuthority(directory, fleet.authority);
    const address = await ask<string>(child, { directory, credentials: fleet.issue('nexus') });
    const { signal } = new AbortController();
    const issued = Array.from({ length: sleds }, () => fleet.issue('sled'));
    const connectAll = async (
      work: (dispatcher: ReturnType<typeof secureDispatcher>) => Promise<unknown>,
    ) => {
      const [servedMs, began] = [await ask<number>(child, 'cpu'), performance.now()];
      const limiter = createLimiter(atOnce);
      await Promise.all(
        issued.map(own =>
          limiter.run(
            async () => {
              const dispatcher = secureDispatcher(() => own, { fleet: fleet.fleet, kind: 'nexus' });
              await work(dispatcher);
              await dispatcher.close();
            },
            { signal },
          ),
        ),
      );
      return {
        cpu: ((await ask<number>(child, 'cpu')) - servedMs) / sleds,
        seconds: (performance.now() - began) / 1_000,
      };
    };
    const baseUrl = `https://${address}`;
    const renew = (dispatcher: ReturnType<typeof secureDispatcher>) =>
      createApiClient(certificateApi, { baseUrl, dispatcher }).certificateRenew({}, { signal });
    const nothing = async (dispatcher: ReturnType<typeof secureDispatcher>) => {
      const { body } = await dispatcher.request({ origin: baseUrl, path: '/', method: 'GET' });
      await body.dump();
    };
    await connectAll(nothing);
    const bare = await connectAll(nothing);
    const renewed = await connectAll(renew);
    console.log(
      `${sleds} sleds renewed in ${renewed.seconds.toFixed(1)} s, ${atOnce} at once; ` +
        `the Nexus took ${renewed.cpu.toFixed(2)} ms of processor time for each, ` +
        `${(renewed.cpu / bare.cpu).toFixed(2)} × that of a refused request on a new connection`,
    );
    console.log(`one core renews ${Math.floor(60_000 / renewed.cpu)} in a minute`);
  } finally {
    child.disconnect();
    await rm(directory, { recursive: true });
  }
}
