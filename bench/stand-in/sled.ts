/**
 * One stand-in: the servers and the registration of a sled agent, over a store in memory.
 *
 *     Nexus ─▶ the handlers of a sled agent ─▶ store in memory ◀─ the handlers of a Repo Depot, at the same port
 *     registration ─▶ Nexus
 */
import { connect } from 'node:net';
import { Agent, buildConnector } from 'undici';
import { depotApi } from '../../src/api/depot-api.ts';
import { internalApi } from '../../src/api/internal-api.ts';
import { sledAgentApi } from '../../src/api/sled-agent-api.ts';
import { SledId } from '../../src/core/ids.ts';
import { seededRng } from '../../src/core/rng.ts';
import { createApiClient } from '../../src/http/client.ts';
import { bindApi } from '../../src/http/handlers.ts';
import { serveApi } from '../../src/http/server.ts';
import type { CredentialSource } from '../../src/identity/credentials.ts';
import { NO_STATEMENTS } from '../../src/identity/statements.ts';
import { clientTls } from '../../src/identity/tls.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { endpointUrl, splitAddress } from '../../src/lib/endpoint.ts';
import { silentLogger } from '../../src/lib/log.ts';
import { agentHandlers } from '../../src/sled-agent/agent-api.ts';
import { depotHandlers } from '../../src/sled-agent/depot-api.ts';
import { createRegistration } from '../../src/sled-agent/register.ts';
import { createSlots } from '../../src/sled-agent/slots.ts';
import { pointOf } from '../../src/sled-agent/store/point.ts';
import type { SharedContents, StandInStore } from './store.ts';
import { createStandInStore } from './store.ts';
import type { CountSocket } from './traffic.ts';

/** As a sled agent has it. */
const REGISTRATION_PERIOD_MS = 60_000;
const PLACES = 64;

type StandInOptions = {
  readonly number: number;
  readonly nexus: string;
  readonly credentials: CredentialSource;
  readonly contents: SharedContents;
  readonly holdsAll: boolean;
  readonly count: CountSocket;
};

export const startStandIn = async (options: StandInOptions): Promise<AsyncDisposable> => {
  const { credentials, number } = options;
  const serial = `stand-in-${number}`;
  await using started = new AsyncDisposableStack();
  const standIn = createStandInStore(serial, { ...options, datasets: 2 });
  let listedMs = Number.NEGATIVE_INFINITY;
  const slots = () => createSlots(PLACES, 'requests');
  const agent = agentHandlers({
    ...{ store: standIn.store, copies: standIn.copies, puts: slots(), bundles: slots() },
    ...{ revocations: credentials.revocations, statements: NO_STATEMENTS, trust: undefined },
    runningVersion: async () => undefined,
    onListed() {
      listedMs = performance.now();
    },
    clock: systemClock,
  });
  const server = started.use(
    await serveApi({
      apis: [
        bindApi(sledAgentApi, agent),
        bindApi(depotApi, depotHandlers({ store: standIn.store, reads: slots() })),
      ],
      listen: { host: '127.0.0.1', port: 0 },
      ...{ credentials, log: silentLogger },
    }),
  );
  const isInTouch = () => performance.now() - listedMs < REGISTRATION_PERIOD_MS;
  started.use(register(serial, standIn, server.port, { ...options, isInTouch }));
  const owned = started.move();
  return { [Symbol.asyncDispose]: () => owned.disposeAsync() };
};

const register = (
  serial: string,
  standIn: StandInStore,
  port: number,
  { number, nexus, credentials, count, isInTouch }: StandInOptions & { readonly isInTouch: () => boolean },
): AsyncDisposable => {
  const url = endpointUrl({ scheme: 'https', ...splitAddress(nexus) });
  const dispatcher = countedDispatcher(credentials, count);
  const stop = new AbortController();
  const registration = createRegistration({
    sledId: SledId.parse(credentials.current().identity.id),
    peers: [{ url, client: createApiClient(internalApi, { baseUrl: url, dispatcher }) }],
    isPlain: false,
    ...{ doubt: () => undefined, isInTouch },
    info: () => infoOf(serial, standIn, port),
    acceptAnswer: ({ floor }) => standIn.acceptFloor(floor),
    ...{ clock: systemClock, rng: seededRng(number), log: silentLogger, periodMs: REGISTRATION_PERIOD_MS },
  });
  const running = registration.run({ signal: stop.signal });
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await running;
      await dispatcher.destroy();
    },
  };
};

const infoOf = (serial: string, { store, incarnationId, datasetHealth }: StandInStore, port: number) => {
  const config = store.config();
  return {
    agentAddress: `127.0.0.1:${port}`,
    depotPort: port,
    role: 'gimlet' as const,
    baseboard: { serial, part: 'stand-in', revision: 0 },
    ...{ hardwareThreads: 1, physicalRamBytes: 2 ** 30, reservoirBytes: 0 },
    ...{ cpuFamily: 'unknown' as const, isDecommissioned: false, incarnationId },
    datasets: datasetHealth(),
    heads: config === undefined ? [] : [{ ...pointOf(config), hasLineage: true, isKept: false }],
  };
};

/** As `secureDispatcher`, over a socket whose bytes are counted below TLS. */
const countedDispatcher = (credentials: CredentialSource, count: CountSocket): Agent => {
  const own = credentials.current();
  const tls = { ...clientTls(own, { fleet: own.identity.fleet, kind: 'nexus' }), maxCachedSessions: 0 };
  const secure = buildConnector({ ...tls, allowH2: false });
  return new Agent({
    connect(options, callback) {
      const socket = connect(Number(options.port), options.hostname);
      count(socket);
      socket.once('error', error => callback(error, null));
      socket.once('connect', () => secure({ ...options, httpSocket: socket }, callback));
    },
  });
};
