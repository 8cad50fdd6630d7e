/** Random lives of a sled, with kills, power cuts and absent disks, against a model of what it promised. */
import { basename } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isArtifactHash, LeaseId } from '../../core/ids.ts';
import {
  bytesOf,
  hashOf,
  neverAborted,
  offer,
  put,
  reconcile,
  type TestArtifact,
  tellFloor,
  testArtifact,
} from './artifact.fixture.ts';
import { createMachine, DIRECTORIES, type Machine } from './memory-store.fixture.ts';
import type { ArtifactStore } from './store.ts';

const ARTIFACTS = [1, 2, 3, 4].map(seed => testArtifact(seed, 400));

type Step =
  | { readonly kind: 'config'; readonly wanted: readonly number[] }
  | { readonly kind: 'put'; readonly artifact: number }
  | { readonly kind: 'lease' | 'return' | 'rot'; readonly artifact: number }
  | { readonly kind: 'reconcile' | 'scrub' }
  | {
      readonly kind: 'restart';
      readonly how: 'close' | 'kill' | 'power cut';
      readonly absent: number | undefined;
    };

/** `interruptedAfter`: the process dies so many disk operations into the step. */
type Life = readonly { readonly step: Step; readonly interruptedAfter: number | undefined }[];

const arbStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('config'), wanted: fc.subarray([0, 1, 2, 3]) }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('put'), artifact: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('reconcile', 'scrub') }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constantFrom('lease', 'lease', 'return', 'rot'), artifact: fc.nat(3) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('restart'),
      how: fc.constantFrom('close', 'kill', 'power cut'),
      absent: fc.option(fc.nat(1), { nil: undefined, freq: 2 }),
    }),
  },
);

const arbLife: fc.Arbitrary<Life> = fc.array(
  fc.record({ step: arbStep, interruptedAfter: fc.option(fc.nat(40), { nil: undefined, freq: 4 }) }),
  { minLength: 3, maxLength: 25 },
);

/** What a Nexus knows: the database's generation, and what the sled acknowledged. */
const createModel = () => ({
  generation: 1,
  acknowledgedGeneration: 0,
  wanted: new Set<TestArtifact>(),
  /** Acknowledged, and wanted by every config since. */
  stored: new Set<TestArtifact>(),
  /** The lease was acknowledged, and its return was not asked for. */
  leased: new Set<TestArtifact>(),
  /** Files with a flipped bit that no scrub has looked at. */
  rotten: new Map<string, Uint8Array>(),
});
type Model = ReturnType<typeof createModel>;

const runLife = async (life: Life, seed: number): Promise<void> => {
  const machine = createMachine();
  const model = createModel();
  let left = Number.POSITIVE_INFINITY;
  const before = () => {
    if (left === 0) machine.kill();
    left -= 1;
  };
  let store = await machine.start({ before });
  for (const [index, { step, interruptedAfter }] of life.entries()) {
    left = interruptedAfter ?? Number.POSITIVE_INFINITY;
    if (step.kind === 'restart') {
      left = Number.POSITIVE_INFINITY;
      if (step.how === 'close') await store[Symbol.asyncDispose]();
      if (step.how === 'power cut') machine.powerCut(seed + index);
      const absent = step.absent === undefined ? [] : [DIRECTORIES[step.absent]!];
      store = await machine.start({ before, absent });
    } else {
      if (step.kind === 'rot') await rot(machine, model, ARTIFACTS[step.artifact]!);
      else await takeStep(store, model, step).catch(() => undefined);
      if (left < 0) store = await machine.start({ before });
    }
    left = Number.POSITIVE_INFINITY;
    checkNames(machine, model);
    checkGeneration(store, model);
  }
  await checkPromises(machine, await machine.start(), model);
};

const leaseOf = ({ sha256 }: TestArtifact) => ({
  sha256,
  id: LeaseId.parse('00000000-0000-4000-8000-000000000001'),
  holder: undefined,
  termMs: 3_600_000,
});

/** On the first dataset, and only where the second has the artifact too: bytes that are nowhere else are lost for good. */
const rot = async (machine: Machine, model: Model, artifact: TestArtifact): Promise<void> => {
  const [path, other] = DIRECTORIES.map(directory => `${directory}/${artifact.sha256}`);
  const [bytes, spare] = [machine.memory.files().get(path!), machine.memory.files().get(other!)];
  if (bytes === undefined || spare === undefined || model.rotten.has(path!)) return;
  // A start with the first dataset alone would have nothing good to keep.
  model.leased.delete(artifact);
  const file = await machine.memory.disk.openFile(path!);
  await file.write(Uint8Array.of(bytes[7]! ^ 4), 7);
  await file.sync();
  model.rotten.set(path!, machine.memory.files().get(path!)!);
};

const takeStep = async (store: ArtifactStore, model: Model, step: Step): Promise<void> => {
  await tellFloor(store, model.generation);
  switch (step.kind) {
    case 'config':
      model.generation += 1;
      model.wanted = new Set(step.wanted.map(index => ARTIFACTS[index]!));
      for (const artifact of model.stored) if (!model.wanted.has(artifact)) model.stored.delete(artifact);
      await offer(store, model.generation, [...model.wanted]);
      model.acknowledgedGeneration = model.generation;
      return;
    case 'put': {
      const artifact = ARTIFACTS[step.artifact]!;
      await put(store, artifact, model.generation);
      model.stored.add(artifact);
      return;
    }
    case 'lease': {
      const artifact = ARTIFACTS[step.artifact]!;
      await store.takeLease(leaseOf(artifact));
      model.leased.add(artifact);
      return;
    }
    case 'return': {
      const artifact = ARTIFACTS[step.artifact]!;
      model.leased.delete(artifact);
      await store.returnLease(artifact.sha256, leaseOf(artifact).id);
      return;
    }
    case 'reconcile':
      await reconcile(store);
      return;
    case 'scrub':
      await store.scrub.cycle({ signal: neverAborted });
      return;
    case 'rot':
    case 'restart':
      return;
    default:
      step satisfies never;
  }
};

/** Whatever is absent: a store that trusts its ledger is not behind what it acknowledged. */
const checkGeneration = (store: ArtifactStore, model: Model): void => {
  if (store.state().kind === 'ready')
    expect(store.config()!.generation).toBeGreaterThanOrEqual(model.acknowledgedGeneration);
};

/** But for what went bad by itself. */
const checkNames = (machine: Machine, { rotten }: Model): void => {
  for (const [path, bytes] of machine.memory.files()) {
    const name = basename(path);
    if (!isArtifactHash(name)) continue;
    if (rotten.get(path) !== bytes) rotten.delete(path);
    if (!rotten.has(path)) expect(hashOf(bytes), path).toBe(name);
  }
};

/** With every disk back and the database's config adopted: nothing promised is missing, and no rubbish is left. */
const checkPromises = async (machine: Machine, store: ArtifactStore, model: Model): Promise<void> => {
  checkGeneration(store, model);
  await tellFloor(store, model.acknowledgedGeneration);
  if (store.state().kind !== 'ready')
    expect(model.acknowledgedGeneration, 'with all disks a registration ends each doubt').toBe(0);
  checkGeneration(store, model);
  await tellFloor(store, model.generation);
  await offer(store, model.generation, [...model.wanted]);
  await reconcile(store);
  await store.scrub.cycle({ signal: neverAborted });
  model.rotten.clear();
  checkNames(machine, model);
  const held = (await store.list()).artifacts;
  for (const { sha256 } of model.stored) expect(held.get(sha256), sha256).toBeGreaterThan(0);
  expect((await store.list()).datasets).toBe(2);
  for (const { sha256, bytes } of model.leased)
    expect(await bytesOf(await store.open(sha256)), `${sha256} is leased`).toEqual(bytes);
  for (const artifact of ARTIFACTS) await store.returnLease(artifact.sha256, leaseOf(artifact).id);
  await reconcile(store);
  for (const { sha256 } of ARTIFACTS) {
    const isWanted = [...model.wanted].some(each => each.sha256 === sha256);
    if (!isWanted) await expect(store.open(sha256)).rejects.toMatchObject({ code: 'ARTIFACT_NOT_HELD' });
  }
};

test('in any life of a sled, its acknowledgements hold, and names stand for the right bytes (G2, G3, G4, G5, G6, P11)', async () => {
  await fc.assert(
    fc.asyncProperty(arbLife, fc.nat(), (life, seed) => runLife(life, seed)),
    { numRuns: 300 },
  );
});
