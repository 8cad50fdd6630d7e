/**
 * For tests: a proxy before PostgreSQL that cuts a connection before or after COMMIT, refuses connections, or forwards nothing
 * while it keeps connections open.
 *
 *     datastore ── TCP ──▶ proxy ── Unix socket or TCP ──▶ PostgreSQL
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { isSocket, requireDatabaseTarget } from './database-url.ts';

/**
 * `committed`: the server commits, and its answer is lost; `committed_and_gone`: the same, and then connections are refused.
 * `not_committed`: the COMMIT is lost. `held`: nothing is cut, and the answer waits for `releaseHeld`.
 */
export type Cut = 'committed' | 'committed_and_gone' | 'not_committed' | 'held';

export type CuttingProxy = {
  /** The URL of the same database through the proxy. */
  readonly connection: string;
  /** Cuts at the next COMMITs, one for each, in this order. */
  readonly cutAtCommit: (...cuts: readonly Cut[]) => void;
  /** How many connections were cut so far. */
  readonly cutCount: () => number;
  /** How many connections were made so far. */
  readonly accepted: () => number;
  /** Cuts all connections, and refuses new ones while `refusing` is set. */
  readonly setRefusing: (refusing: boolean) => void;
  readonly isRefusing: () => boolean;
  readonly releaseHeld: () => void;
  /** From now on the open connections forward nothing; new ones work. */
  readonly silenceOpen: () => void;
  readonly [Symbol.asyncDispose]: () => Promise<void>;
};

/** PostgreSQL's simple query message, without its length. */
const COMMIT = 'COMMIT\0';

export const createCuttingProxy = async (connection: string): Promise<CuttingProxy> => {
  const target = requireDatabaseTarget(connection);
  const [host] = target.hosts;
  if (host === undefined) throw new Error('the database has no host');
  const upstreamAddress = isSocket(host) ? { path: join(host.host, `.s.PGSQL.${host.port}`) } : host;
  const open = new Set<Socket>();
  const pending: Cut[] = [];
  const silencers: (() => void)[] = [];
  let cuts = 0;
  let refusing = false;
  const held = Promise.withResolvers<void>();

  const server = createServer(client => {
    const upstream = connect(upstreamAddress);
    let silent = false;
    silencers.push(() => {
      silent = true;
    });
    const end = () => {
      client.destroy();
      upstream.destroy();
    };
    for (const socket of [client, upstream]) {
      open.add(socket);
      socket.on('error', end);
      socket.on('close', () => {
        open.delete(socket);
        end();
      });
    }
    if (refusing) return end();
    let cutting: Cut | undefined;
    client.on('data', chunk => {
      if (silent) return;
      if (chunk.includes(COMMIT) && pending.length > 0) {
        cutting = pending.shift();
        cuts += 1;
        if (cutting === 'not_committed') return end();
      }
      upstream.write(chunk);
    });
    upstream.on('data', chunk => {
      if (silent) return;
      // The answer to COMMIT: the server has committed, and the client never receives it.
      if (cutting === undefined) return void client.write(chunk);
      if (cutting === 'held') return void held.promise.then(() => client.write(chunk));
      refusing ||= cutting === 'committed_and_gone';
      end();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const cutAll = () => {
    for (const socket of open) socket.destroy();
  };
  const { user = 'postgres', password = '' } = target;
  const account = [user, password].map(encodeURIComponent).join(':');
  return {
    connection: `postgresql://${account}@127.0.0.1:${port}/${encodeURIComponent(target.database)}`,
    cutAtCommit: (...more) => void pending.push(...more),
    cutCount: () => cuts,
    accepted: () => silencers.length,
    setRefusing(value) {
      refusing = value;
      if (refusing) cutAll();
    },
    isRefusing: () => refusing,
    releaseHeld: held.resolve,
    silenceOpen() {
      for (const silence of silencers) silence();
    },
    async [Symbol.asyncDispose]() {
      server.close();
      cutAll();
      await once(server, 'close');
    },
  };
};
