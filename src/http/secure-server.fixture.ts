/** A TLS server of one sled, whose routes answer nothing but that they were reached. */
import { type Dispatcher, request } from 'undici';
import type { Api, Route } from '../api/route.ts';
import type { CredentialSource } from '../identity/credentials.ts';
import { DepotError } from '../lib/errors.ts';
import { silentLogger } from '../lib/log.ts';
import type { BoundRoute } from './handlers.ts';
import { openApiDocuments } from './openapi.ts';
import { type ApiServer, serveApi } from './server.ts';

export const SLED = '11111111-1111-4111-8111-111111111111';

/** Handlers that only show that they were reached. */
export const bare = (apis: readonly Api[]): BoundRoute[] =>
  apis
    .flatMap(({ routes, version }) => Object.values<Route>(routes).map(route => ({ route, version })))
    .map(bound => ({
      ...bound,
      handle: async () => {
        throw new DepotError('NOT_FOUND', 'reached');
      },
    }));

/** A TLS server of one sled, with a route for members and one for nobody. */
export const serveSled = (credentials: CredentialSource): Promise<ApiServer> =>
  serveApi({
    apis: [bare(openApiDocuments['repo-depot.json'] ?? []), bare(openApiDocuments['sled-agent.json'] ?? [])],
    listen: { host: '127.0.0.1', port: 0 },
    credentials,
    log: silentLogger,
  });

export const ARTIFACT = `/artifact/sha256/${'0'.repeat(64)}`;
export const fetchAs = async (server: ApiServer, dispatcher: Dispatcher) => {
  const answer = await request(`https://${server.address}${ARTIFACT}`, { dispatcher });
  return { status: answer.statusCode, text: await answer.body.text() };
};
