/** Mistakes of a Nexus with its rounds: who is asked, what is sent, when again, and what is said. */
import { type Mutation, someOf } from './mutation.ts';

export const ROUND_MUTATIONS: readonly Mutation[] = [
  {
    name: 'full-sled-holds-nothing',
    file: 'nexus/fleet-client/sled-draft.ts',
    find: 'Math.max(1, list.datasets ?? copies)',
    replace: 'list.datasets ?? copies',
    tests: 'nexus/fleet-client/collect.test.ts',
    why: 'S16, P8: what a full sled has counts for nothing, and a release that it alone has is called failed',
  },
  {
    name: 'divergence-not-noticed',
    file: 'nexus/fleet-client/collect.ts',
    find: 'if (!isKnownPoint(claim, now.lineage)) return diverged(collected, claim, now.current, options.log);',
    replace: '',
    tests: 'nexus/tasks/artifact-replication/task.test.ts',
    why: 'P7: a sled that is ahead of a restored database is never called diverged',
  },
  {
    name: 'failed-although-a-nexus-holds-it',
    file: 'core/health.ts',
    find: "b.code === 'NO_KNOWN_COPY' && !elsewhere.has(b.sha256)",
    replace: "b.code === 'NO_KNOWN_COPY'",
    tests: 'core/health.test.ts',
    why: 'P8: a release is called failed while another Nexus has its archive',
  },
  {
    name: 'failed-although-a-sled-is-silent',
    file: 'core/plan/plan-artifact.ts',
    find: '...(silentSleds > 0',
    replace: '...(silentSleds < 0',
    tests: 'core/health.test.ts',
    why: 'P8: a release is called failed while a sled that does not answer may have all of it',
  },
  {
    name: 'recovery-sees-no-sled-ahead',
    breaks: ['G1'],
    file: 'core/recovery.ts',
    find: 'if (claim === undefined || isKnownPoint(claim, database.lineage) || !isBelievable(claim, database))',
    replace: 'if (claim !== undefined)',
    needs: someOf('database restored'),
    withinSeeds: 500,
    why: 'P7: after a restore the sleds stay ahead of the database, and nothing says how to go on',
  },
  {
    name: 'silence-never-ends',
    breaks: ['G1'],
    file: 'nexus/fleet-client/collect.ts',
    find: 'if (silence !== undefined && silence.untilMs > deps.clock.monotonicMs())',
    replace: 'if (silence !== undefined)',
    also: [
      { file: 'nexus/tasks/sled-liveness.ts', find: '        returned.forEach(deps.onReturn);', replace: '' },
    ],
    withinSeeds: 100,
    why: 'B8: a sled that failed once is never asked again',
  },
  {
    name: 'back-off-never-ends',
    breaks: ['G1'],
    file: 'nexus/fleet-client/transfer-memory.ts',
    find: 'transfers.set(key, { ...failure,',
    replace: 'transfers.set(key, { ...failure, untilMs: Number.MAX_SAFE_INTEGER,',
    withinSeeds: 200,
    why: 'P6: a transfer that failed once is never tried again',
  },
  {
    name: 'pause-never-ends',
    breaks: ['G1'],
    file: 'nexus/fleet-client/sled-memory.ts',
    find: 'if (memory.pause !== undefined && memory.pause.untilMs <= deps.clock.monotonicMs())',
    replace:
      'if (memory.pause !== undefined) memory.pause.untilMs = Number.MAX_SAFE_INTEGER;\n      if (memory.pause === null)',
    withinSeeds: 300,
    why: 'P6: a sled that was full or busy once is never written to again',
  },
  {
    name: 'waits-on-the-wall-clock',
    breaks: ['G1'],
    file: 'nexus/fleet-client/failure.ts',
    find: '  const nowMs = clock.monotonicMs();',
    replace: '  const nowMs = clock.nowMs();',
    also: [
      {
        file: 'nexus/fleet-client/collect.ts',
        find: 'silence.untilMs > deps.clock.monotonicMs()',
        replace: 'silence.untilMs > deps.clock.nowMs()',
      },
      {
        file: 'nexus/tasks/artifact-replication/task.ts',
        find: '  backoff: memory.backoff(),\n  nowMs: clock.monotonicMs(),',
        replace: '  backoff: memory.backoff(),\n  nowMs: clock.nowMs(),',
      },
    ],
    needs: someOf('clock jumps'),
    withinSeeds: 1000,
    why: 'M6: a clock that is set back makes a back-off last for hours',
  },
  {
    name: 'one-failing-sled-ends-the-round',
    breaks: ['G1', 'G3', 'G8'],
    file: 'nexus/fleet-client/offer-config.ts',
    find: `    if (errorCodeOf(error) !== 'CONFIG_GENERATION')
      return failed(deps, target, orStalled(error, options.signal));`,
    replace: "    if (errorCodeOf(error) !== 'CONFIG_GENERATION') throw error;",
    withinSeeds: 600,
    why: 'G8, CO1: a sled that is down stops the others',
  },
  {
    name: 'one-failing-put-ends-the-round',
    file: 'nexus/fleet-client/execute.ts',
    find: `    deps.memory.transferFailed(put.target, sha256, error);
    deps.requests.record({ ...facts, startedMs, error });
    return false;`,
    replace: '    throw error;',
    tests: 'nexus/fleet-client/execute.test.ts',
    why: 'G8, E1: a sled that takes nothing stops the puts to the others, and is asked again at once',
  },
  {
    name: 'rounds-wait-for-the-slowest-sled',
    file: 'nexus/fleet-client/collect.ts',
    find: 'if (answered === Math.ceil(round.sleds.length / 2)) {',
    replace: 'if (answered > round.sleds.length) {',
    tests: 'nexus/fleet-client/collect.test.ts',
    why: 'G8, CO2: one slow sled makes every round slow',
  },
  {
    name: 'release-after-release',
    breaks: ['G1', 'G7', 'G8'],
    file: 'core/plan/plan.ts',
    find: '    const outcome = planArtifact({',
    replace: `    const first = input.wanted.releases.find(
      ({ artifacts }) => !input.sleds.every(({ answer }) => answer.held !== undefined && [...artifacts].every(hash => answer.held.has(hash))),
    );
    if (first !== undefined && !first.artifacts.has(sha256)) continue;
    const outcome = planArtifact({`,
    withinSeeds: 300,
    why: 'G7: a release waits until the one before it is everywhere, and one dead sled holds up all others',
  },
  {
    name: 'one-dataset-is-enough',
    breaks: ['G1'],
    file: 'core/plan/plan-artifact.ts',
    find: 'sled => copiesOn(sled, sha256) < sled.answer.datasets && !isComing(sled, context),',
    replace: 'sled => copiesOn(sled, sha256) === 0 && !isComing(sled, context),',
    withinSeeds: 100,
    why: 'S5: a sled that has an artifact on one of its disks is not told to copy it to the others',
  },
  {
    name: 'puts-only',
    breaks: ['G1'],
    file: 'core/plan/plan-artifact.ts',
    find: '    planCopy(sled, holders, targets, context, plan);',
    replace: '',
    withinSeeds: 20,
    why: 'S5: the others are never told to copy',
  },
];
