/**
 * Clients that upload and delete the same few releases through any Nexus, as fast as they are answered, and remember
 * what they were told.
 */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Rng } from '../src/core/rng.ts';
import { errorCodeOf, messageChain } from '../src/lib/errors.ts';
import { makeTestRelease, type TestRelease } from '../src/signing/release.fixture.ts';
import type { TestNexus } from './fleet-members.fixture.ts';
import { wait } from './fleet-process.fixture.ts';
import type { TestFleet } from './process-fleet.fixture.ts';
import { contradiction, type ReleaseAct } from './release-history.ts';

/** The answer is certain: nothing was done. */
const REFUSED = ['NOT_FOUND', 'RELEASE_IN_USE', 'TOO_MANY_UPLOADS', 'DATABASE_UNAVAILABLE'];
/** The outcome is uncertain: no answer arrived. */
const UNCERTAIN = [
  'PEER_UNREACHABLE',
  'PEER_STALLED',
  'PEER_BAD_ANSWER',
  'COMMIT_UNCERTAIN',
  'SHUTTING_DOWN',
];
/** After a request without an answer, so that a silent server is not polled in a tight loop. */
const PAUSE_MS = 100;
/** A request from before a Nexus was killed, or a connection cut, may still take effect, by a statement in progress. */
const LINGERS_MS = 10_000;

export type Workload = {
  /** How often each answer came, by `done` or its error code. */
  readonly answers: ReadonlyMap<string, number>;
  /** Answers that no client should ever get. */
  readonly unexpected: readonly string[];
  /** One client, until the signal aborts; it ends its last act. */
  readonly client: (rng: Rng, until: AbortSignal) => Promise<void>;
  readonly act: (nexus: TestNexus, release: TestRelease, kind: ReleaseAct['kind']) => Promise<ReleaseAct>;
  /** What cannot be, given what is present now. */
  readonly contradictions: (presentVersions: readonly string[]) => string[];
};

/** Releases that share artifacts in pairs and all together, and have some of their own. */
export const makeReleases = async (
  directory: string,
  count: number,
  sizeBytes: number,
): Promise<TestRelease[]> => {
  const releases: TestRelease[] = [];
  for (let n = 1; n <= count; n += 1) {
    releases.push(
      await makeTestRelease(directory, {
        systemVersion: `${n}.0.0`,
        artifacts: [
          { seed: 'all', sizeBytes },
          { seed: `pair-${n % 2}`, sizeBytes },
          sizeBytes,
          Math.ceil(sizeBytes / 3),
        ],
        fileName: join(`release-${n}.zip`),
        ...(n === 1 ? {} : { keys: releases[0]!.keys }),
      }),
    );
  }
  return releases;
};

export const createWorkload = (fleet: TestFleet, releases: readonly TestRelease[]): Workload => {
  const acts: ReleaseAct[] = [];
  const unexpected: string[] = [];
  const answers = new Map<string, number>();
  const count = (answer: string) => answers.set(answer, (answers.get(answer) ?? 0) + 1);

  const act: Workload['act'] = async (nexus, release, kind) => {
    const { systemVersion: version } = release;
    const begunMs = performance.now();
    const made: ReleaseAct = { version, kind, begunMs, endedMs: Number.POSITIVE_INFINITY, outcome: 'maybe' };
    acts.push(made);
    try {
      if (kind === 'upload') await nexus.upload(release);
      else await nexus.update.repositoryDelete({ params: { system_version: version } }, wait);
      made.outcome = 'done';
      count('done');
    } catch (error) {
      const code = errorCodeOf(error);
      count(code);
      if (REFUSED.includes(code)) made.outcome = 'refused';
      else if (!UNCERTAIN.includes(code))
        unexpected.push(`${kind} of ${version}: ${code}: ${messageChain(error)}`);
      if (code !== 'NOT_FOUND') await delay(PAUSE_MS);
    }
    made.endedMs = performance.now() + (made.outcome === 'maybe' ? LINGERS_MS : 0);
    return made;
  };

  return {
    answers,
    unexpected,
    act,
    async client(rng, until) {
      while (!until.aborted) {
        const running = fleet.nexuses.filter(nexus => nexus.isRunning());
        const nexus = running[rng.below(running.length)];
        const release = releases[rng.below(releases.length)]!;
        // More uploads than deletions, as a deletion of nothing is quickly done.
        const kind = rng.below(3) === 0 ? 'delete' : 'upload';
        if (nexus === undefined) await delay(PAUSE_MS);
        else await act(nexus, release, kind);
      }
    },
    contradictions: present =>
      releases.flatMap(
        ({ systemVersion }) => contradiction(acts, systemVersion, present.includes(systemVersion)) ?? [],
      ),
  };
};
