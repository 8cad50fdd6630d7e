/**
 * What TLS costs: processor time of a download from a Repo Depot, hashed by the receiver, and of a mutual handshake.
 *
 *     bin/node24 bench/tls.ts [rounds] [MiB] [handshakes]
 *
 * Sender and receiver are two processes, and take turns between plain and TLS. Figures are seconds of processor time, so
 * that other work on the machine counts little.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { depotApi, depotArtifactUrl } from '../src/api/depot-api.ts';
import { DatasetId } from '../src/core/ids.ts';
import { bindApi } from '../src/http/handlers.ts';
import { rawGet } from '../src/http/raw-get.ts';
import { serveApi } from '../src/http/server.ts';
import type { Credentials } from '../src/identity/credentials.ts';
import { replaceableCredentials, testFleetIdentity } from '../src/identity/identity.fixture.ts';
import { clientTls } from '../src/identity/tls.ts';
import { silentLogger } from '../src/lib/log.ts';
import { depotHandlers } from '../src/sled-agent/depot-api.ts';
import { createSlots } from '../src/sled-agent/slots.ts';
import { writeNoise } from './noise.ts';

type Order = {
  readonly path: string;
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly credentials: Credentials;
};
type Addresses = { readonly plain: string; readonly secure: string };

const cpuSeconds = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};
const ask = async <T>(child: ChildProcess, message: unknown): Promise<T> => {
  const answer = once(child, 'message');
  child.send(message as never);
  return (await answer)[0];
};

const serve = async ({ path, sha256, sizeBytes, credentials }: Order): Promise<Addresses> => {
  const handlers = depotHandlers({
    store: {
      async open() {
        const handle = await open(path, 'r');
        return {
          ...{ sha256: sha256 as never, sizeBytes, isFresh: true, foundRight: () => undefined },
          datasetId: DatasetId.parse('00000000-0000-4000-8000-000000000001'),
          read: async (target, position) =>
            (await handle.read(target, 0, target.byteLength, position)).bytesRead,
          [Symbol.asyncDispose]: () => handle.close(),
        };
      },
      suspect: () => undefined,
    },
    reads: createSlots(4, 'reads'),
  });
  const options = {
    apis: [bindApi(depotApi, handlers)],
    listen: { host: '127.0.0.1', port: 0 },
    log: silentLogger,
  };
  const plain = await serveApi(options);
  const secure = await serveApi({ ...options, credentials: replaceableCredentials(credentials) });
  return { plain: plain.address, secure: secure.address };
};

/** The sender: serves, then answers how much processor time it has used. */
if (process.send !== undefined) {
  process.on('message', async (message: Order | 'cpu') =>
    process.send?.(message === 'cpu' ? cpuSeconds() : await serve(message)),
  );
} else {
  const [rounds = 5, mib = 1024, handshakes = 500] = process.argv.slice(2).map(Number);
  const fleet = testFleetIdentity();
  const [sender, receiver] = [fleet.issue('sled'), fleet.issue('sled')];
  const tls = clientTls(receiver, { fleet: fleet.fleet, kind: 'sled', id: sender.identity.id });
  const folder = await mkdtemp(join(tmpdir(), 'bench-tls-'));
  const child = fork(import.meta.filename);
  try {
    const path = join(folder, 'artifact');
    const sizeBytes = mib * 1024 ** 2;
    const sha256 = await writeNoise(path, sizeBytes);
    const { plain, secure } = await ask<Addresses>(child, { path, sha256, sizeBytes, credentials: sender });

    const download = async (isSecure: boolean) => {
      const [sent, received] = [await ask<number>(child, 'cpu'), cpuSeconds()];
      const base = isSecure ? `https://${secure}` : `http://${plain}`;
      using answer = await rawGet(depotArtifactUrl(base, sha256 as never), {
        tls: isSecure ? tls : undefined,
        signal: AbortSignal.timeout(600_000),
      });
      const hash = createHash('sha256');
      await answer.consume(async chunk => void hash.update(chunk));
      if (hash.digest('hex') !== sha256) throw new Error('other bytes arrived');
      const perGib = 1024 / mib;
      return {
        received: (cpuSeconds() - received) * perGib,
        sent: ((await ask<number>(child, 'cpu')) - sent) * perGib,
      };
    };
    await download(false);
    await download(true);
    const ratios: number[] = [];
    for (let round = 1; round <= rounds; round += 1) {
      const isSecureFirst = round % 2 === 0;
      const first = await download(isSecureFirst);
      const second = await download(!isSecureFirst);
      const [without, withTls] = isSecureFirst ? [second, first] : [first, second];
      const ratio = (withTls.sent + withTls.received) / (without.sent + without.received);
      ratios.push(ratio);
      const text = ({ received, sent }: typeof without) => `${received.toFixed(2)} / ${sent.toFixed(2)}`;
      console.log(`round ${round}: plain ${text(without)}, TLS ${text(withTls)}: ${ratio.toFixed(2)} ×`);
    }
    ratios.sort((a, b) => a - b);
    console.log('seconds of processor time for 1 GiB: receiver with SHA-256 / sender');
    console.log(`median: TLS takes ${ratios[Math.floor(ratios.length / 2)]?.toFixed(2)} × the time of plain`);

    const [host = '', port = ''] = secure.split(':');
    const [served, called] = [await ask<number>(child, 'cpu'), cpuSeconds()];
    for (let n = 0; n < handshakes; n += 1) {
      const socket = connect({ host, port: Number(port), ...tls });
      await once(socket, 'secureConnect');
      socket.destroy();
    }
    const each = (seconds: number) => ((seconds * 1000) / handshakes).toFixed(2);
    console.log(
      `a mutual handshake: ${each(cpuSeconds() - called)} ms of the client, ` +
        `${each((await ask<number>(child, 'cpu')) - served)} ms of the server`,
    );
  } finally {
    child.disconnect();
    await rm(folder, { recursive: true });
  }
}
