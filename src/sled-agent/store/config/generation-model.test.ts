/** G6 over random lives of a sled whose configured directories change, while datasets fail to take their ledgers. */
import { basename } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { IncarnationId } from '../../../core/ids.ts';
import { type Operation, systemError } from '../../../lib/disk.fixture.ts';
import { offer, reconcile, tellFloor } from '../artifact.fixture.ts';
import { createMachine } from '../memory-store.fixture.ts';
import type { ArtifactStore } from '../store.ts';

const ALL = ['/m2-0', '/m2-1', '/m2-2'];

type Step = {
  readonly kind: 'config' | 'reconcile' | 'restart';
  /** Nexus tells the floor before the step. */
  readonly floor: boolean;
  /** The configured directories of a restart. */
  readonly configured: readonly string[];
  readonly how: 'close' | 'kill' | 'power cut';
  /** What takes no ledger during the step. */
  readonly failing: readonly string[];
  readonly interruptedAfter: number | undefined;
};

const arbStep: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom('config', 'config', 'config', 'reconcile', 'restart', 'restart', 'restart'),
  floor: fc.oneof({ weight: 5, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) }),
  configured: fc.subarray(ALL, { minLength: 1 }),
  how: fc.constantFrom('close', 'kill', 'power cut'),
  failing: fc.oneof(fc.constant<string[]>([]), fc.subarray(ALL)),
  interruptedAfter: fc.option(fc.nat(30), { nil: undefined, freq: 10 }),
});

/** All are founders, or the others are newcomers when they come. */
const arbFirst = fc.constantFrom(ALL, ALL.slice(0, 1));

const runLife = async (first: readonly string[], life: readonly Step[], seed: number): Promise<void> => {
  const machine = createMachine(ALL);
  const acknowledged = new Map<IncarnationId, number>();
  let database = 1;
  let configured = first;
  let failing: readonly string[] = [];
  let left = Number.POSITIVE_INFINITY;
  const before = ({ name, path }: Operation): void => {
    if (left === 0) machine.kill();
    left -= 1;
    const isLedger = basename(path) === 'artifact-config.json';
    if (name === 'rename' && isLedger && failing.some(each => path.startsWith(each)))
      throw systemError('EIO');
  };
  const take = async (store: ArtifactStore, { kind, floor }: Step): Promise<void> => {
    if (floor) await tellFloor(store, database);
    if (kind === 'reconcile') await reconcile(store);
    if (kind !== 'config') return;
    database += 1;
    await offer(store, database, []);
    acknowledged.set(store.incarnationId(), database);
  };
  let store = await machine.start({ before, configured });
  for (const [index, step] of life.entries()) {
    failing = step.failing;
    left = step.interruptedAfter ?? Number.POSITIVE_INFINITY;
    if (step.kind === 'restart') {
      left = Number.POSITIVE_INFINITY;
      if (step.how === 'close') await store[Symbol.asyncDispose]();
      if (step.how === 'power cut') machine.powerCut(seed + index);
      configured = step.configured;
      store = await machine.start({ before, configured });
    } else {
      await take(store, step).catch(() => undefined);
      if (left < 0) {
        left = Number.POSITIVE_INFINITY;
        store = await machine.start({ before, configured });
      }
    }
    const promised = acknowledged.get(store.incarnationId()) ?? 0;
    if (store.state().kind === 'ready') expect(store.config()!.generation).toBeGreaterThanOrEqual(promised);
  }
};

test('whichever datasets a sled is started with, it is never ready below a generation that this incarnation acknowledged (G6)', async () => {
  await fc.assert(
    fc.asyncProperty(arbFirst, fc.array(arbStep, { minLength: 3, maxLength: 30 }), fc.nat(), runLife),
    {
      numRuns: Number(process.env.GENERATION_RUNS ?? 800),
    },
  );
}, 600_000);
