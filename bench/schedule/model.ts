/**
 * A fleet that receives a release, without bytes: the schedule of a Nexus orders, modelled links carry.
 *
 *     schedule.next() ─▶ order ─▶ (latency) ─▶ stream ─▶ stored on the sled ─▶ (latency) ─▶ schedule.ended() ─▶ …
 *
 * MDL1. Time passes in steps of {@link STEP_MS}; the links of a step are shared fairly.
 * MDL2. A sled passes on an artifact once it has all of it, or, with `cutThrough`, as far as whole units of it have arrived. Its
 *       streams end when its own transfer fails.
 * MDL3. Of all orders `failingShare` fails: a third is refused, a third is cut at a random byte, a third is silent and noticed
 *       after {@link SILENT_MS}. What comes from a machine that died is silent too.
 * MDL4. A plan takes so long as its fleet is large, and the next one waits as PTM1 of plan-timer.ts says: with the time that it took
 *       here no two runs would be alike.
 */
import { createHash } from 'node:crypto';
import { ArtifactHash, asGeneration, RepoId, SledId, SystemVersion, UploadId } from '../../src/core/ids.ts';
import type { InventorySled, LocalRepo, Wanted } from '../../src/core/inventory.ts';
import type { TransferLimits } from '../../src/core/plan/input.ts';
import type { CopyRequest, PutRequest } from '../../src/core/plan/plan-artifact.ts';
import { type Rng, seededRng } from '../../src/core/rng.ts';
import type { Clock } from '../../src/lib/clock.ts';
import { DepotError } from '../../src/lib/errors.ts';
import { createFleetMemory, type FleetMemory } from '../../src/nexus/sleds/sled-memory.ts';
import { createSchedule, type Schedule } from '../../src/nexus/transfers/schedule.ts';
import { type Links, type Stream, shareLinks } from './links.ts';

export type FleetModel = {
  readonly sleds: number;
  readonly sizes: readonly number[];
  /** Of each sled, in each direction. */
  readonly bytesPerMs: number;
  /** So many times as fast as a sled. */
  readonly originFactor: number;
  readonly limits: TransferLimits;
  readonly minSledReplication: number;
  readonly cutThrough: boolean;
  readonly failingShare: number;
  /** Of the sleds, at a tenth of the rate. */
  readonly slowShare: number;
  /** Of the sleds, in the middle of the time that the links need. */
  readonly dyingShare: number;
  readonly seed: number;
};

export type Filled = {
  readonly makespanMs: number;
  readonly orders: number;
  readonly stepMsMax: number;
  readonly plans: number;
  readonly originBytes: number;
  readonly wastedBytes: number;
};

const STEP_MS = 1;
const SILENT_MS = 2_000;
const LATENCY_MS = { least: 0.2, most: 5 };
/** What is verified, and passed on, at once. */
const UNIT_BYTES = 1024 ** 2;
/** MDL4 */
const PLAN_MS_PER_SLED = 0.005;
const REST_FACTOR = 4;
const TICK_MS = 1_000;
/** A round waits so long for its transfers, and the next one lists again. */
const CENSUS_MS = 10_000;
const GIVE_UP_FACTOR = 100;

type Transfer = Stream & {
  readonly order: PutRequest | CopyRequest;
  readonly sizeBytes: number;
  readonly artifact: number;
  readonly startedMs: number;
  received: number;
  /** Cut there. */
  readonly cutAt: number;
  passesOn: boolean;
};

type World = {
  readonly model: FleetModel;
  readonly rng: Rng;
  readonly links: Links;
  readonly ids: readonly SledId[];
  readonly numbers: ReadonlyMap<SledId, number>;
  readonly hashes: readonly ArtifactHash[];
  readonly artifacts: ReadonlyMap<ArtifactHash, number>;
  readonly wanted: Wanted;
  readonly local: readonly LocalRepo[];
  readonly memory: FleetMemory;
  readonly schedule: Schedule;
  /** By sled and artifact. */
  readonly held: Uint8Array;
  readonly dead: Uint8Array;
  readonly moving: Map<number, Transfer>;
  readonly due: Map<number, (() => void)[]>;
  nowMs: number;
  isPlanDue: boolean;
  restUntilMs: number;
  missing: number;
  orders: number;
  plans: number;
  stepMsMax: number;
  originBytes: number;
  wastedBytes: number;
};

const uuid = (kind: number, n: number) => `0000000${kind}-0000-4000-8000-${n.toString(16).padStart(12, '0')}`;
const hashOf = (n: number) => ArtifactHash.parse(createHash('sha256').update(String(n)).digest('hex'));

/** Sleds 0 … n - 1, then the origin. */
export const isSlow = (sled: number, { sleds, slowShare }: FleetModel): boolean =>
  sled < Math.round(sleds * slowShare);
const isDying = (sled: number, { sleds, dyingShare }: FleetModel): boolean =>
  sled >= sleds - Math.round(sleds * dyingShare);

const newWorld = (model: FleetModel): World => {
  const { sleds, sizes, bytesPerMs, originFactor, seed } = model;
  const rng = seededRng(seed);
  const ids = Array.from({ length: sleds }, (_, n) => SledId.parse(uuid(1, n)));
  const hashes = sizes.map((_, n) => hashOf(n));
  const artifacts = new Map(hashes.map((hash, n) => [hash, sizes[n]!]));
  const repoId = RepoId.parse(uuid(2, 1));
  const rates = Float64Array.from({ length: sleds + 1 }, (_, n) => {
    if (n === sleds) return bytesPerMs * originFactor * STEP_MS;
    return (isSlow(n, model) ? bytesPerMs / 10 : bytesPerMs) * STEP_MS;
  });
  const world: World = {
    ...{ model, rng, ids, hashes, links: { up: rates, down: rates } },
    numbers: new Map(ids.map((id, n) => [id, n])),
    artifacts: new Map(hashes.map((hash, n) => [hash, n])),
    wanted: {
      ...{ generation: asGeneration(2), artifacts },
      releases: [{ repoId, systemVersion: SystemVersion.parse('1.0.0'), artifacts: new Set(hashes) }],
    },
    local: [{ uploadId: UploadId.parse(uuid(3, 1)), repoId, artifacts }],
    memory: createFleetMemory({ clock: clockOf(() => world.nowMs), rng }),
    schedule: createSchedule(),
    held: new Uint8Array(sleds * sizes.length),
    dead: new Uint8Array(sleds + 1),
    ...{ moving: new Map(), due: new Map(), nowMs: 0, isPlanDue: true, restUntilMs: 0 },
    missing: 0,
    ...{ orders: 0, plans: 0, stepMsMax: 0, originBytes: 0, wastedBytes: 0 },
  };
  return world;
};

const clockOf = (now: () => number): Clock => ({
  nowMs: now,
  monotonicMs: now,
  sleep: () => Promise.reject(new Error('nothing sleeps in a model')),
  timeout: () => new AbortController().signal,
});

/** Who counts: with slow sleds the others, and of those that die the survivors. */
const counts = (sled: number, model: FleetModel): boolean => !isSlow(sled, model) && !isDying(sled, model);

/** @throws Error when the fleet does not receive the release */
export const fill = (model: FleetModel): Filled => {
  const world = newWorld(model);
  const needMs = model.sizes.reduce((a, b) => a + b, 0) / model.bytesPerMs;
  world.missing = world.ids.filter((_, n) => counts(n, model)).length * model.sizes.length;
  census(world);
  at(world, needMs / 2, () => die(world));
  for (; world.missing > 0; world.nowMs += STEP_MS) {
    if (world.nowMs > GIVE_UP_FACTOR * needMs) throw new Error(`${world.missing} artifacts never arrived`);
    const slot = Math.round(world.nowMs / STEP_MS);
    for (const happen of world.due.get(slot) ?? []) happen();
    world.due.delete(slot);
    if (world.isPlanDue && world.nowMs >= world.restUntilMs) plan(world);
    carry(world);
  }
  const { nowMs: makespanMs, orders, stepMsMax, plans, originBytes, wastedBytes } = world;
  return { makespanMs, orders, stepMsMax, plans, originBytes, wastedBytes };
};

const at = (world: World, ms: number, happen: () => void): void => {
  const slot = Math.max(Math.ceil(ms / STEP_MS), Math.round(world.nowMs / STEP_MS) + 1);
  const others = world.due.get(slot);
  if (others === undefined) world.due.set(slot, [happen]);
  else others.push(happen);
};

const latencyMs = ({ rng }: World): number =>
  LATENCY_MS.least + (LATENCY_MS.most - LATENCY_MS.least) * rng.next();

const pairOf = ({ model }: World, sled: number, artifact: number): number =>
  sled * model.sizes.length + artifact;

const census = (world: World): void => {
  const { model, ids, hashes, held, moving } = world;
  const sleds = ids.flatMap((id, n): InventorySled[] => {
    if (world.dead[n] === 1) return [];
    const has = hashes.filter((_, artifact) => held[pairOf(world, n, artifact)] === 1);
    const copying = hashes.filter(
      (_, artifact) => moving.get(pairOf(world, n, artifact))?.order.kind === 'copy',
    );
    const answer = {
      ...{ kind: 'ok' as const, held: new Map(has.map(hash => [hash, 1])), datasets: 1 },
      ...{ copiesInFlight: new Set(copying), incarnationId: undefined },
    };
    return [{ id, serial: `sled-${n}`, answer, copiesArriving: model.cutThrough }];
  });
  world.schedule.follow({ wanted: world.wanted, local: world.local, sleds, beganMs: world.nowMs });
  world.isPlanDue = true;
  at(world, world.nowMs + CENSUS_MS, () => census(world));
};

const die = (world: World): void => {
  for (let sled = 0; sled < world.model.sleds; sled += 1)
    if (isDying(sled, world.model)) world.dead[sled] = 1;
  for (const [pair, transfer] of world.moving)
    if (world.dead[transfer.from] === 1 || world.dead[transfer.to] === 1) {
      world.moving.delete(pair);
      at(world, world.nowMs + SILENT_MS, () => lose(world, transfer, world.dead[transfer.to] === 1));
    }
};

const plan = (world: World): void => {
  const { schedule, memory, model, local, rng, nowMs } = world;
  world.isPlanDue = false;
  const policy = { minSledReplication: model.minSledReplication, limits: model.limits };
  const began = performance.now();
  const { puts, copies } = schedule.next({ local, policy, memory, nowMs }, rng);
  world.stepMsMax = Math.max(world.stepMsMax, performance.now() - began);
  world.plans += 1;
  const tookMs = PLAN_MS_PER_SLED * model.sleds;
  world.restUntilMs = nowMs + tookMs * (1 + REST_FACTOR);
  for (const order of [...puts, ...copies]) {
    schedule.begun(order, nowMs);
    send(world, order, tookMs);
  }
  if (schedule.isWaiting()) at(world, nowMs + TICK_MS, () => wantPlan(world));
};

const wantPlan = (world: World): void => {
  world.isPlanDue = true;
};

const send = (world: World, order: PutRequest | CopyRequest, tookMs: number): void => {
  const { model, rng, nowMs, numbers } = world;
  world.orders += 1;
  const artifact = world.artifacts.get(order.sha256)!;
  const from = order.kind === 'put' ? model.sleds : numbers.get(order.source)!;
  const fault =
    rng.next() < model.failingShare ? (['refused', 'cut', 'silent'] as const)[rng.below(3)] : undefined;
  const { sizeBytes } = order;
  const transfer: Transfer = {
    ...{ order, artifact, from, sizeBytes, to: numbers.get(order.target)!, startedMs: nowMs },
    ...{ wanted: 0, got: 0, received: 0 },
    cutAt: fault === 'cut' ? rng.next() * sizeBytes : Number.POSITIVE_INFINITY,
    passesOn: false,
  };
  const arrivesMs = nowMs + tookMs + latencyMs(world);
  if (fault === 'refused') at(world, arrivesMs + latencyMs(world), () => lose(world, transfer));
  else if (fault === 'silent') at(world, arrivesMs + SILENT_MS, () => lose(world, transfer));
  else at(world, arrivesMs, () => begin(world, transfer));
};

const begin = (world: World, transfer: Transfer): void => {
  const { to, from, artifact, order } = transfer;
  const { dead, nowMs } = world;
  if (dead[to] === 1 || dead[from] === 1)
    at(world, nowMs + SILENT_MS, () => lose(world, transfer, dead[to] === 1));
  else if (!canServe(world, transfer)) at(world, nowMs + latencyMs(world), () => lose(world, transfer));
  else {
    world.moving.set(pairOf(world, to, artifact), transfer);
    if (order.kind === 'copy' && world.model.cutThrough)
      at(world, nowMs + 2 * latencyMs(world), () => passOn(world, transfer));
  }
};

const passOn = (world: World, transfer: Transfer): void => {
  const { to, artifact, order, sizeBytes } = transfer;
  if (world.moving.get(pairOf(world, to, artifact)) !== transfer || sizeBytes <= UNIT_BYTES) return;
  transfer.passesOn = true;
  world.schedule.passesOn({ sledId: order.target, sha256: order.sha256 });
  wantPlan(world);
};

const canServe = (world: World, { from, artifact }: Transfer): boolean => {
  if (from === world.model.sleds) return true;
  const pair = pairOf(world, from, artifact);
  return world.held[pair] === 1 || world.moving.has(pair);
};

/** Of the artifact, at the source of a transfer. */
const availableBytes = (world: World, { from, artifact, sizeBytes }: Transfer): number => {
  if (from === world.model.sleds) return sizeBytes;
  const pair = pairOf(world, from, artifact);
  if (world.held[pair] === 1) return sizeBytes;
  const source = world.moving.get(pair);
  return source === undefined ? -1 : Math.floor(source.received / UNIT_BYTES) * UNIT_BYTES;
};

/** One step of all streams (MDL1). */
const carry = (world: World): void => {
  const { moving, links, model } = world;
  const streams = [...moving.values()];
  for (const transfer of streams) {
    const available = availableBytes(world, transfer);
    transfer.wanted = Math.max(0, Math.min(available, transfer.cutAt) - transfer.received);
    if (available < 0) cut(world, transfer);
  }
  shareLinks(links, streams);
  for (const transfer of streams) {
    const { got, from, sizeBytes, cutAt, order } = transfer;
    if (got === 0 && transfer.received < sizeBytes) continue;
    const before = transfer.received;
    transfer.received += got;
    if (from === model.sleds) world.originBytes += got;
    // What rounding leaves of a byte has no time of its own.
    if (transfer.received >= sizeBytes - 1) store(world, transfer);
    else if (transfer.received >= cutAt - 1) cut(world, transfer);
    else if (
      order.kind === 'put' &&
      model.cutThrough &&
      before < UNIT_BYTES &&
      transfer.received >= UNIT_BYTES
    )
      at(world, world.nowMs + latencyMs(world), () => passOn(world, transfer));
  }
};

const store = (world: World, transfer: Transfer): void => {
  const { to, artifact, order, sizeBytes } = transfer;
  const pair = pairOf(world, to, artifact);
  transfer.received = sizeBytes;
  world.moving.delete(pair);
  if (world.held[pair] !== 1 && counts(to, world.model)) world.missing -= 1;
  world.held[pair] = 1;
  at(world, world.nowMs + latencyMs(world), () => {
    world.memory.transferDone(order.target, order.sha256);
    world.schedule.ended(
      { sledId: order.target, sha256: order.sha256, startedMs: transfer.startedMs },
      { kind: 'stored', copies: 1 },
      world.nowMs,
    );
    wantPlan(world);
  });
};

/** The target has noticed. */
const cut = (world: World, transfer: Transfer): void => {
  world.moving.delete(pairOf(world, transfer.to, transfer.artifact));
  world.wastedBytes += transfer.received;
  at(world, world.nowMs + latencyMs(world), () => lose(world, transfer));
};

/** Nexus has noticed. */
const lose = (world: World, { order, startedMs }: Transfer, isTargetDead = false): void => {
  const error =
    order.kind === 'put' || isTargetDead
      ? new DepotError('PEER_UNREACHABLE', 'the sled does not answer')
      : new DepotError('COPY_SOURCE', 'the source does not answer');
  const source = order.kind === 'put' ? undefined : { id: order.source, isArriving: order.arriving };
  const blame = world.memory.transferFailed(order.target, order.sha256, error, source);
  world.schedule.ended(
    { sledId: order.target, sha256: order.sha256, startedMs },
    { kind: 'failed', blame },
    world.nowMs,
  );
  world.isPlanDue = true;
};
