/**
 * For tests: a proxy before PostgreSQL that cuts a connection at COMMIT, on either side of it, or refuses all.
 *
 *     datastore ── TCP ──▶ proxy ── Unix socket ──▶ PostgreSQL
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';

/**
 * `committed`: the server commits, and nobody hears of it; `committed_and_gone`: and then refuses.
 * `not_committed`: COMMIT is lost on its way. `held`: nothing is cut, the answer waits for `releaseHeld`.
 */
export type Cut = 'committed' | 'committed_and_gone' | 'not_committed' | 'held';

export type CuttingProxy = {
  /** The URL of the same database through the proxy. */
  readonly connection: string;
  /** Cuts at the next COMMITs, one for each, in this order. */
  readonly cutAtCommit: (...cuts: readonly Cut[]) => void;
  /** How many connections were cut so far. */
  readonly cutCount: () => number;
  /** Cuts everything and refuses, until told otherwise. */
  readonly setRefusing: (refusing: boolean) => void;
  readonly isRefusing: () => boolean;
  readonly releaseHeld: () => void;
  readonly [Symbol.asyncDispose]: () => Promise<void>;
};

/** PostgreSQL's simple query message, without its length. */
const COMMIT = 'COMMIT\0';

export const createCuttingProxy = async (connection: string): Promise<CuttingProxy> => {
  const target = new URL(connection.replace('///', '//socket/'));
  const socketPath = join(
    target.searchParams.get('host')!,
    `.s.PGSQL.${target.searchParams.get('port') ?? '5432'}`,
  );
  const open = new Set<Socket>();
  const pending: Cut[] = [];
  let cuts = 0;
  let refusing = false;
  const held = Promise.withResolvers<void>();

  const server = createServer(client => {
    const upstream = connect(socketPath);
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
      if (chunk.includes(COMMIT) && pending.length > 0) {
        cutting = pending.shift();
        cuts += 1;
        if (cutting === 'not_committed') return end();
      }
      upstream.write(chunk);
    });
    upstream.on('data', chunk => {
      // The answer to COMMIT: it is done, and the client never hears of it.
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
  return {
    connection: `postgresql://${target.searchParams.get('user')}@127.0.0.1:${port}${target.pathname}`,
    cutAtCommit: (...more) => void pending.push(...more),
    cutCount: () => cuts,
    setRefusing(value) {
      refusing = value;
      if (refusing) cutAll();
    },
    isRefusing: () => refusing,
    releaseHeld: held.resolve,
    async [Symbol.asyncDispose]() {
      server.close();
      cutAll();
      await once(server, 'close');
    },
  };
};
