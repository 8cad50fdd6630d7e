/**
 * How long a fleet takes to receive a release over links of one rate, beside what these links allow, and beside rsync and BitTorrent.
 *
 *     npm run bench:fleet -- [--sleds 8] [--mbit 100] [--mib 235] [--artifacts 32] [--json FILE]
 *                            [--alone] [--python PROGRAM] [--nexus-setting KEY=VALUE]...
 *
 * A bridge; one network namespace per sled; Nexus on this machine, behind a link like theirs. All links are shaped in both
 * directions with `tbf`. The release is random bytes, signed; the largest artifact is 27 % of it. In this order, each alone:
 *
 *     goodput      one TCP stream from Nexus's machine to a sled
 *     tuf-depot    from the upload's 200 to `complete` in the status
 *     rsync        a binomial tree of the whole folder
 *     libtorrent   Nexus's machine as the seed
 *
 *     makespan_s, bound_s, ratio         of tuf-depot; the bound with the measured goodput (bench/fleet/bound.ts), and their ratio
 *     rsync_ratio, bittorrent_ratio      of the others, against the same bound; null for an absent program, or with --alone
 *     origin_ratio                       bytes that left Nexus's link, of the release
 *
 * `--nexus-setting` is one of `[tuf_artifact_replication]` in Nexus's configuration.
 */
import { mkdtemp, rm, statfs, writeFile } from 'node:fs/promises';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { messageChain } from '../src/lib/errors.ts';
import {
  createTestNetwork,
  missingForNetworks,
  missingForShaping,
  type TestNetwork,
} from '../test/network.fixture.ts';
import { startSoakDatabase } from '../test/soak/soak-database.ts';
import { fillByBittorrent, missingForBittorrent } from './fleet/bittorrent.ts';
import { fluidBoundSeconds, type Links, pieceBoundSeconds } from './fleet/bound.ts';
import { type Filled, fillByTufDepot } from './fleet/fill.ts';
import { measureGoodput } from './fleet/goodput.ts';
import { makeFleetRelease } from './fleet/release.ts';
import { fillByRsync, missingForRsync } from './fleet/rsync-tree.ts';

const MIB = 1024 ** 2;
/** Of the second bound, which is printed alone. */
const PIECE_BYTES = 4 * MIB;
/** The address of the last one is the last of its network. */
const MAX_SLEDS = 200;
/** One that takes longer is stuck. */
const TIMEOUT_MS = 4 * 60 * 60_000;

const USAGE =
  'npm run bench:fleet -- [--sleds N, 1 to 200] [--mbit N] [--mib N] [--artifacts N] [--json FILE] [--alone] [--python PROGRAM] [--nexus-setting KEY=VALUE]...';

/** Ends this program: something is missing, or an argument is wrong. */
const refuse = (reason: string): never => {
  console.error(reason);
  process.exit(2);
};

const readArguments = () => {
  try {
    return parseArgs({
      options: {
        sleds: { type: 'string', default: '8' },
        mbit: { type: 'string', default: '100' },
        mib: { type: 'string', default: '235' },
        artifacts: { type: 'string', default: '32' },
        json: { type: 'string' },
        alone: { type: 'boolean', default: false },
        python: { type: 'string', default: 'python3' },
        'nexus-setting': { type: 'string', multiple: true, default: [] },
      },
    }).values;
  } catch {
    return refuse(USAGE);
  }
};

const values = readArguments();
const whole = (text: string, most: number): number => {
  const value = Number(text);
  return Number.isSafeInteger(value) && value >= 1 && value <= most ? value : refuse(USAGE);
};
const sleds = whole(values.sleds, MAX_SLEDS);
const mbit = whole(values.mbit, 100_000);
const mib = whole(values.mib, 65_536);
const artifacts = whole(values.artifacts, 10_000);
const { alone, python } = values;
const replication = Object.fromEntries(
  values['nexus-setting'].map(text => {
    const [, key, value] = /^(\w+)=(\d+)$/.exec(text) ?? refuse(USAGE);
    return [key!, Number(value)];
  }),
);

/** A segment that the sender's kernel has not cut yet fits into the burst; the queue is that of a switch, not of a modem. */
const LINK = `tbf rate ${mbit}mbit burst 128kb latency 20ms`;

const requireMachine = async (): Promise<void> => {
  const missing = (await missingForNetworks()) ?? (await missingForShaping(LINK));
  if (missing !== undefined) refuse(missing);
  // Of one contender at a time: a copy on each sled; and the folder, the archive, and the archive at Nexus.
  const needed = (sleds + 4) * mib * MIB;
  const { bavail, bsize } = await statfs(tmpdir());
  if (bavail * bsize < needed) refuse(`${tmpdir()} needs ${Math.ceil(needed / MIB)} MiB of free space`);
};

const say = (text: string): void => console.error(`${new Date().toISOString().slice(11, 19)} ${text}`);

/** Its directory is gone afterwards. */
const inDirectory = async <T>(parent: string, run: (directory: string) => Promise<T>): Promise<T> => {
  const directory = await mkdtemp(join(parent, 'contender-'));
  try {
    return await run(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
};

/** Null when it is missing, which a line says. */
const peerSeconds = async (
  name: string,
  missing: () => Promise<string | undefined>,
  run: () => Promise<number>,
): Promise<number | null> => {
  if (alone) return null;
  const reason = await missing();
  if (reason === undefined) {
    say(name);
    return run();
  }
  console.error(`${name} takes no part: ${reason}`);
  return null;
};

type Outcome = {
  readonly ours: Filled;
  readonly rsync: number | null;
  readonly bittorrent: number | null;
  readonly links: Links;
};

const runAll = async (network: TestNetwork, directory: string): Promise<Outcome> => {
  const signal = AbortSignal.any([AbortSignal.timeout(TIMEOUT_MS), interrupted.signal]);
  const release = await makeFleetRelease(directory, { mib, artifacts });
  const { folder } = release;
  say('one TCP stream');
  const bytesPerSecond = await measureGoodput(network, signal);
  say('tuf-depot');
  const ours = await inDirectory(directory, async own => {
    await using database = await startSoakDatabase(join(own, 'database')).catch(error =>
      refuse(messageChain(error)),
    );
    return await fillByTufDepot(network, { database, release, replication, directory: own }, signal);
  });
  const rsync = await peerSeconds('rsync', missingForRsync, () =>
    inDirectory(directory, own => fillByRsync(network, { folder, directory: own }, signal)),
  );
  const bittorrent = await peerSeconds(
    'libtorrent',
    () => missingForBittorrent(python),
    () =>
      inDirectory(directory, own => fillByBittorrent(network, { folder, directory: own, python }, signal)),
  );
  return { ours, rsync, bittorrent, links: { sleds, bytesPerSecond } };
};

const digest = ({ ours, rsync, bittorrent, links }: Outcome) => {
  const bytes = mib * MIB;
  const bound = fluidBoundSeconds(links, bytes);
  const over = (seconds: number | null) => (seconds === null ? null : seconds / bound);
  const last = ours.samples.at(-1)!;
  return {
    ...{ sleds, mbit, mib, artifacts, settings: replication },
    ...{ makespan_s: ours.seconds, bound_s: bound, ratio: ours.seconds / bound },
    ...{ rsync_ratio: over(rsync), bittorrent_ratio: over(bittorrent) },
    origin_ratio: last.originBytes / bytes,
    /** That received all, on average; and the one that sent most. */
    sled_ratio: last.sledBytes.reduce((a, b) => a + b, 0) / bytes / sleds,
    busiest_sled_ratio: Math.max(...last.sledBytes) / bytes,
    stored_s: ours.storedSeconds,
    piece_bound_s: pieceBoundSeconds(links, bytes, PIECE_BYTES),
    goodput_mbit: (links.bytesPerSecond * 8) / 1e6,
    load: loadavg()[0]!,
    samples: ours.samples,
  };
};
type Result = ReturnType<typeof digest>;

const row = (name: string, seconds: number | null, ratio: number | null): string =>
  seconds === null || ratio === null
    ? `  ${name.padEnd(28)}${'absent'.padStart(10)}`
    : `  ${name.padEnd(28)}${`${seconds.toFixed(1)} s`.padStart(10)}${`${ratio.toFixed(2)} ×`.padStart(10)}`;

/** Mean rates of all links, by tenths of the time. */
const courseOf = ({ samples, mbit: rate }: Result): string[] => {
  const steps = 10;
  const end = samples.at(-1)!.seconds;
  const at = (seconds: number) => samples.findLast(sample => sample.seconds <= seconds) ?? samples[0]!;
  const share = (bytes: number, seconds: number, links: number) =>
    `${Math.round((100 * bytes * 8) / 1e6 / seconds / rate / links)} %`.padStart(7);
  const sum = (all: readonly number[]) => all.reduce((a, b) => a + b, 0);
  const parts = Array.from({ length: steps }, (_, n) => {
    const [from, to] = [at((end * n) / steps), at((end * (n + 1)) / steps)];
    const seconds = Math.max(to.seconds - from.seconds, 0.001);
    return {
      origin: share(to.originBytes - from.originBytes, seconds, 1),
      sleds: share(sum(to.sledBytes) - sum(from.sledBytes), seconds, sleds),
    };
  });
  return [
    `  sent, of the link, by tenths of the time`,
    `    Nexus ${parts.map(part => part.origin).join('')}`,
    `    sleds ${parts.map(part => part.sleds).join('')}`,
  ];
};

const print = (result: Result, { rsync, bittorrent }: Outcome): void => {
  const { bound_s, makespan_s, ratio, piece_bound_s, stored_s } = result;
  const lines = [
    `${sleds} sleds at ${mbit} Mbit/s, ${mib} MiB in ${artifacts} artifacts`,
    row('bound of the links', bound_s, 1),
    row('  with pieces of 4 MiB', piece_bound_s, piece_bound_s / bound_s),
    row('tuf-depot', makespan_s, ratio),
    row('  on the last disk after', stored_s, stored_s / bound_s),
    row('rsync, binomial tree', rsync, result.rsync_ratio),
    row('libtorrent', bittorrent, result.bittorrent_ratio),
    `  one TCP stream ${result.goodput_mbit.toFixed(1)} Mbit/s`,
    `  Nexus sent ${result.origin_ratio.toFixed(2)} × the release, a sled ${result.sled_ratio.toFixed(2)} ×, the busiest ${result.busiest_sled_ratio.toFixed(2)} ×`,
    ...courseOf(result),
  ];
  console.log(lines.join('\n'));
  // Kernel and processes of all machines share these processors.
  if (result.load > cpus().length)
    console.log(
      `  the load average was ${result.load.toFixed(1)} on ${cpus().length} processors: they may be what limits`,
    );
};

await requireMachine();
/** Namespaces, processes and files do not outlive this program. */
const interrupted = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const)
  process.once(name, () => interrupted.abort(new Error(`interrupted by ${name}`)));
const directory = await mkdtemp(join(tmpdir(), 'bench-fleet-'));
try {
  await using network = await createTestNetwork(sleds);
  for (const cable of [network, ...network.peers]) await cable.shape(LINK);
  const outcome = await runAll(network, directory);
  const result = digest(outcome);
  print(result, outcome);
  if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(result)}\n`);
} finally {
  await rm(directory, { recursive: true, force: true });
}
