/**
 * How fast a Nexus receives a new release: verified, durable and recorded when it answers. Against the shell:
 * `cat RELEASE | tee COPY | openssl dgst -sha256`, then `sync COPY`.
 *
 *     bin/node24 bench/upload.ts [rounds] [MiB] [folder] [plain|tls]
 *
 * A Nexus of its own, with a PostgreSQL that syncs and without sleds. Each round has a release that this Nexus has not seen,
 * from the same artifacts; nothing replicates it, so its copy in staging stays until the end.
 */
import { execFile } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { NODE_FLAGS } from '../src/cli/program-path.ts';
import { assembleRelease } from '../src/signing/assemble.ts';
import { keysForAllRoles } from '../src/signing/sign-metadata.ts';
import { generateSigningKey } from '../src/signing/signing-keys.ts';
import { wait } from '../test/fleet-process.fixture.ts';
import { startTestFleet } from '../test/process-fleet.fixture.ts';
import { startSoakDatabase } from '../test/soak/soak-database.ts';
import { writeNoise } from './noise.ts';
import { bytesPerSecond, compare } from './ratio.ts';

const MIB = 1024 ** 2;
const ARTIFACTS = 16;
const CHUNK_BYTES = MIB;

const [rounds = 5, mib = 939] = process.argv.slice(2, 4).map(Number);
const isTls = process.argv[5] === 'tls';
const shell = promisify(execFile);

const folder = await mkdtemp(join(process.argv[4] ?? tmpdir(), 'bench-upload-'));
try {
  const artifacts = await Promise.all(
    Array.from({ length: ARTIFACTS }, async (_, n) => {
      const path = join(folder, `artifact-${n}`);
      await writeNoise(path, Math.floor((mib * MIB) / ARTIFACTS), n);
      return { path, targetName: `artifact-${n}`, version: '1.0.0', tags: { kind: 'bench', n: String(n) } };
    }),
  );
  const keys = keysForAllRoles([generateSigningKey()]);
  let made = 0;
  const release = join(folder, 'release.zip');
  /** One that no Nexus has seen: the next version of all roles. */
  const nextRelease = async () => {
    made += 1;
    const versions = { timestamp: made, snapshot: made, targets: made };
    const expiresMs = Date.now() + 86_400_000;
    const systemVersion = `${made}.0.0`;
    const rest = { systemVersion, format: 'v2', artifacts, expiresMs, versions } as const;
    return await assembleRelease({ ...rest, keys, outputPath: release });
  };
  const { trustRoot } = await nextRelease();

  await using database = await startSoakDatabase(join(folder, 'database'));
  await using fleet = await startTestFleet({
    ...{ sleds: 0, minSledReplication: 1, database, nodeArguments: () => NODE_FLAGS },
    ...(!isTls && { transport: 'plain' as const }),
  });
  const nexus = fleet.nexuses[0]!;
  await nexus.trust({ trustRoot } as never);
  const copy = join(folder, 'copy');
  const forgetCopy = async () => {
    await rm(copy, { force: true });
    await shell('sync');
  };
  const { size: sizeBytes } = await stat(release);
  const upload = async () => {
    const chunks = createReadStream(release, { highWaterMark: CHUNK_BYTES });
    const { status } = await nexus.update.repositoryUpload(
      { query: { file_name: 'release.zip' }, body: { sizeBytes, chunks } },
      wait,
    );
    if (status !== 'inserted') throw new Error(`the release was not new: ${status}`);
  };
  const prepare = async () => {
    await nextRelease();
    await shell('sync');
  };
  const pipeline = `cat ${release} | tee ${copy} | openssl dgst -sha256 && sync ${copy}`;
  await compare(
    { name: 'nexus', run: upload, prepare },
    { name: 'shell', run: async () => void (await shell('sh', ['-c', pipeline])), prepare: forgetCopy },
    { rounds, speedOf: bytesPerSecond(sizeBytes), target: 0.8 },
  );
} finally {
  await rm(folder, { recursive: true, force: true });
}
