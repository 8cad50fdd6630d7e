/**
 * How fast the Repo Depot serves an artifact, against nginx with sendfile; curl discards what it gets.
 *
 *     bin/node24 bench/depot.ts [rounds] [MiB]
 */
import { execFile } from 'node:child_process';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { depotApi, depotArtifactUrl } from '../src/api/depot-api.ts';
import { DatasetId } from '../src/core/ids.ts';
import { bindApi } from '../src/http/handlers.ts';
import { serveApi } from '../src/http/server.ts';
import { silentLogger } from '../src/lib/log.ts';
import { depotHandlers } from '../src/sled-agent/depot-api.ts';
import { createSlots } from '../src/sled-agent/slots.ts';
import type { StoredArtifact } from '../src/sled-agent/store/store.ts';
import { startNginx } from './nginx.ts';
import { writeNoise } from './noise.ts';
import { bytesPerSecond, compare } from './ratio.ts';

const [rounds = 5, mib = 1024] = process.argv.slice(2).map(Number);
const sizeBytes = mib * 1024 ** 2;
const run = promisify(execFile);
const download = async (url: string): Promise<void> => {
  await run('curl', ['--fail', '--silent', '--show-error', '--output', '/dev/null', url]);
};

const folder = await mkdtemp(join(tmpdir(), 'bench-depot-'));
try {
  const sha256 = await writeNoise(join(folder, 'artifact'), sizeBytes);
  const datasetId = DatasetId.parse('00000000-0000-4000-8000-000000000001');
  /** The file as the store would open it: what is measured is the way from there to the client. */
  const openArtifact = async (): Promise<StoredArtifact> => {
    const handle = await open(join(folder, 'artifact'), 'r');
    return {
      sha256,
      sizeBytes,
      datasetId,
      // Hashed on the way once an hour; the other answers are what is measured.
      isFresh: true,
      foundRight: () => undefined,
      read: async (target, position) => (await handle.read(target, 0, target.byteLength, position)).bytesRead,
      [Symbol.asyncDispose]: () => handle.close(),
    };
  };
  const handlers = depotHandlers({
    store: { open: openArtifact, suspect: () => undefined },
    reads: createSlots(4, 'reads'),
  });
  await using depot = await serveApi({
    apis: [bindApi(depotApi, handlers)],
    listen: { host: '127.0.0.1', port: 0 },
    log: silentLogger,
  });
  await using nginx = await startNginx(folder);
  if (nginx !== undefined)
    await compare(
      { name: 'depot', run: () => download(depotArtifactUrl(`http://${depot.address}`, sha256)) },
      { name: 'nginx', run: () => download(`${nginx.url}/artifact`) },
      { rounds, speedOf: bytesPerSecond(sizeBytes), target: 0.7 },
    );
} finally {
  await rm(folder, { recursive: true });
}
