import { expect, test } from 'vitest';
import { ArtifactHash, asGeneration, SledId, UploadId } from '../../core/ids.ts';
import type { LocalRepoVerdict } from '../../core/plan/local-repos.ts';
import type { Plan } from '../../core/plan/plan.ts';
import { seededRng } from '../../core/rng.ts';
import { systemClock } from '../../lib/clock.ts';
import { DepotError } from '../../lib/errors.ts';
import { silentLogger } from '../../lib/log.ts';
import type { PlannedSet } from '../datastore/ports/local-repo-port.ts';
import type { Staging } from '../releases/staging/staging.ts';
import { createFleetMemory } from '../sleds/sled-memory.ts';
import { dropReplicated, type KeptArchives } from './drop-archives.ts';

const uploadId = UploadId.parse('00000003-0000-4000-8000-000000000001');
const replicated: LocalRepoVerdict = {
  kind: 'replicated',
  uploadId,
  holders: [SledId.parse('00000001-0000-4000-8000-000000000001')],
  artifacts: new Map([[ArtifactHash.parse('ab'.repeat(32)), 0]]),
};
const planned = { generation: asGeneration(2) } as PlannedSet;

/** Rounds a while apart, over sleds of which none is known, so that none proves its bytes unless `enough` is 0. */
const rounds = (drop: Staging['drop'], enough = 0) => {
  const time = { ms: 0 };
  const clock = { ...systemClock, nowMs: () => time.ms + 7_000_000, monotonicMs: () => time.ms };
  const kept: KeptArchives = new Map();
  const rng = seededRng(1);
  const deps = {
    connection: {} as never,
    staging: { drop } as Staging,
    memory: createFleetMemory({ clock, rng }),
    policy: { minSledReplication: enough },
    ...{ rng, clock, kept },
  };
  const round = (verdict: LocalRepoVerdict = replicated, afterMs = 0) => {
    time.ms += afterMs;
    const plan = { localRepos: [verdict] } as unknown as Plan;
    const options = { log: silentLogger, signal: new AbortController().signal };
    return dropReplicated(deps, plan, planned, new Map(), options);
  };
  return { round, kept };
};

test('an archive that could go and stays for a minute is a reason that says why (DRP1)', async () => {
  const { round } = rounds(
    async () => ({ kind: 'kept', because: 'generation_changed', generation: 3 }) as never,
  );
  expect((await round()).reasons).toEqual([]);
  expect((await round(replicated, 59_999)).reasons, 'a newer config is no news').toEqual([]);
  expect((await round(replicated, 1)).reasons).toEqual([
    { code: 'ARCHIVE_KEPT', uploadId, because: 'generation_changed', sinceMs: 7_000_000 },
  ]);
});

test('sleds that do not prove their bytes, and drops that fail, are told apart (DRP1, P9)', async () => {
  const unproven = rounds(async () => ({ kind: 'dropped' }), 1);
  await unproven.round();
  expect(await unproven.round(replicated, 60_000)).toMatchObject({
    dropped: new Set(),
    reasons: [{ because: 'sleds_unproven' }],
  });
  const failing = rounds(async () => {
    throw new DepotError('IO', 'the staging disk failed');
  });
  await failing.round();
  expect((await failing.round(replicated, 60_000)).reasons).toMatchObject([
    { because: 'drop_failed', error: 'the staging disk failed' },
  ]);
});

test('an archive that went, or has to stay, is no reason and begins its minute anew (DRP1)', async () => {
  let isKept = true;
  const { round, kept } = rounds(async () =>
    isKept ? ({ kind: 'kept', because: 'row_lost' } as never) : { kind: 'dropped' },
  );
  await round();
  await round({ kind: 'not_safe', uploadId, holders: 2 }, 60_000);
  expect((await round(replicated, 60_000)).reasons).toEqual([]);
  expect((await round(replicated, 60_000)).reasons).toHaveLength(1);
  isKept = false;
  expect(await round(replicated, 60_000)).toEqual({ dropped: new Set([uploadId]), reasons: [] });
  expect(kept.size).toBe(0);
});
