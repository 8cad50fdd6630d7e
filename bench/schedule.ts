/**
 * How near the production schedule comes to the least time that links need, without bytes and without processes.
 *
 *     npm run bench:schedule -- [--sleds 32] [--seeds 5] [--json FILE]
 *
 * `nextTransfers` with the holdings, places and back-offs of a Nexus orders; modelled links of `--mbit 1000`, full duplex and fairly
 * shared, carry (bench/schedule/model.ts). An order takes 0.2 to 5 ms each way, and 1 % of them fail. The release has
 * `--mib 1446` in `--artifacts 64` of falling sizes, the largest `--largest 400`. Of all seeds the worst counts:
 *
 *     ratio           time until every sled has everything ÷ the least time in which links can bring it there
 *     orders          puts and copies
 *     step_ms_max     the longest plan, on this machine
 *     origin_ratio    bytes that leave the origin ÷ the release
 *     control_ratio   bytes of orders, answers, digests and configs (estimated) ÷ bytes of artifacts
 *
 * With `--origin 10` the origin is ten times as fast as a sled; `--slow 0.1` makes a tenth of the sleds ten times as slow, and the
 * ratio is that of the others; with `--die 0.1` a tenth of them dies in the middle, and it is that of the survivors.
 * `--whole` is without sleds that pass on what they have not all of; `--puts`, `--to-sled`, `--from-source` try other places.
 */
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { SMALL_ARTIFACT_BYTES } from '../src/core/plan/quota.ts';
import { fallingSizes } from './fleet/release.ts';
import { type Filled, type FleetModel, fill, isSlow } from './schedule/model.ts';

const MIB = 1024 ** 2;
/** An order or its outcome with its answer and their headers. */
const BYTES_PER_REQUEST = 700;
/** A hash and a length in JSON. */
const CONFIG_BYTES_PER_ARTIFACT = 100;
/** In base64, of each unit of each artifact. */
const DIGEST_BYTES_PER_UNIT = 44;

const { values } = parseArgs({
  options: {
    sleds: { type: 'string', default: '32' },
    seeds: { type: 'string', default: '5' },
    mbit: { type: 'string', default: '1000' },
    mib: { type: 'string', default: '1446' },
    artifacts: { type: 'string', default: '64' },
    largest: { type: 'string', default: '400' },
    origin: { type: 'string', default: '1' },
    slow: { type: 'string', default: '0' },
    die: { type: 'string', default: '0' },
    failing: { type: 'string', default: '0.01' },
    whole: { type: 'boolean', default: false },
    puts: { type: 'string', default: '2' },
    'to-sled': { type: 'string', default: '2' },
    'from-source': { type: 'string', default: '2' },
    json: { type: 'string' },
  },
});

const number = (name: Exclude<keyof typeof values, 'whole' | 'json'>, least: number): number => {
  const value = Number(values[name]);
  if (Number.isFinite(value) && value >= least) return value;
  console.error(`npm run bench:schedule: --${name} is a number from ${least} on`);
  process.exit(2);
};

const releaseBytes = number('mib', 1) * MIB;
const model: Omit<FleetModel, 'seed'> = {
  sleds: number('sleds', 1),
  sizes: fallingSizes(releaseBytes, number('artifacts', 1), number('largest', 0) / number('mib', 1)),
  bytesPerMs: (number('mbit', 0.001) * 1e6) / 8 / 1e3,
  originFactor: number('origin', 0.001),
  limits: {
    maxTransfers: 4096,
    maxTransfersToSled: number('to-sled', 1),
    maxCopiesFromSource: number('from-source', 1),
    maxPuts: number('puts', 1),
    smallBytes: SMALL_ARTIFACT_BYTES,
  },
  minSledReplication: 3,
  cutThrough: !values.whole,
  failingShare: number('failing', 0),
  slowShare: number('slow', 0),
  dyingShare: number('die', 0),
};

/** Of the sleds that count, and the origin (BL1 of bench/fleet/bound.ts). */
const boundMs = (): number => {
  const { sleds, bytesPerMs, originFactor, dyingShare } = model;
  const slow = Array.from({ length: sleds }, (_, n) => n).filter(n =>
    isSlow(n, { ...model, seed: 0 }),
  ).length;
  const counting = sleds - slow - Math.round(sleds * dyingShare);
  const all = (counting * releaseBytes) / (bytesPerMs * (originFactor + counting));
  return Math.max(releaseBytes / bytesPerMs, releaseBytes / (bytesPerMs * originFactor), all);
};

const controlBytes = ({ orders }: Filled): number => {
  const units = model.sizes.reduce((sum, bytes) => sum + Math.floor(bytes / MIB), 0);
  const perSled =
    model.sizes.length * CONFIG_BYTES_PER_ARTIFACT + (model.cutThrough ? units * DIGEST_BYTES_PER_UNIT : 0);
  return 4 * BYTES_PER_REQUEST * orders + model.sleds * perSled;
};

const runs = Array.from({ length: number('seeds', 1) }, (_, n) => {
  const began = performance.now();
  const filled = fill({ ...model, seed: n + 1 });
  const seconds = (performance.now() - began) / 1_000;
  const ratio = filled.makespanMs / boundMs();
  const origin = filled.originBytes / releaseBytes;
  console.error(
    `seed ${n + 1}: ${ratio.toFixed(3)} × the bound, ${filled.orders} orders, origin ${origin.toFixed(3)}, ${filled.plans} plans, the longest ${filled.stepMsMax.toFixed(1)} ms (${seconds.toFixed(0)} s)`,
  );
  return filled;
});
const worst = (of: (filled: Filled) => number): number => Math.max(...runs.map(of));
const result = {
  sleds: model.sleds,
  bound_s: boundMs() / 1_000,
  makespan_s: worst(({ makespanMs }) => makespanMs) / 1_000,
  ratio: worst(({ makespanMs }) => makespanMs) / boundMs(),
  orders: worst(({ orders }) => orders),
  step_ms_max: worst(({ stepMsMax }) => stepMsMax),
  origin_ratio: worst(({ originBytes }) => originBytes) / releaseBytes,
  control_ratio: worst(controlBytes) / (model.sleds * releaseBytes),
};
console.log(JSON.stringify(result, undefined, 2));
if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(result)}\n`);
