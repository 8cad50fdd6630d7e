/**
 * Three Nexuses on one PostgreSQL under SERIALIZABLE, with clients that upload and delete the same releases at all of
 * them at once, while all three replicate. `RACE_SECONDS` says for how long.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { seededRng } from '../src/core/rng.ts';
import { auditFleet, readWanted } from './fleet-audit.ts';
import { until } from './fleet-process.fixture.ts';
import { startTestFleet, type TestFleet } from './process-fleet.fixture.ts';
import { createWorkload, makeReleases } from './release-workload.ts';

const SECONDS = Number(process.env.RACE_SECONDS ?? 20);
const CLIENTS = 6;
const RELEASES = 5;

const text = (counts: ReadonlyMap<string, number>) => JSON.stringify(Object.fromEntries(counts));

/** How often each verb met another transaction and was run again, from the logs. */
const conflictsByVerb = async (fleet: TestFleet): Promise<Map<string, number>> => {
  const counts = new Map<string, number>();
  for (const nexus of fleet.nexuses) {
    for (const line of (await nexus.log()).split('\n')) {
      if (!line.includes('transaction conflicts with another')) continue;
      const { verb } = JSON.parse(line) as { verb: string };
      counts.set(verb, (counts.get(verb) ?? 0) + 1);
    }
  }
  return counts;
};

test(
  'three Nexuses race over the same releases: none is lost, no generation is stuck, all of it converges (G1, G3, G4, S20)',
  async () => {
    const directory = await mkdtemp(join(tmpdir(), 'tuf-depot-races-'));
    await using undo = new AsyncDisposableStack();
    undo.defer(() => rm(directory, { recursive: true, force: true }));
    const releases = await makeReleases(directory, RELEASES, 5_000);
    const fleet = undo.use(
      await startTestFleet({
        nexuses: 3,
        sleds: 3,
        minSledReplication: 2,
        nexusConfig: { log_level: 'debug' },
        // Each Nexus looks for itself at what the others did.
        replication: { period_secs: 1 },
        sledLimits: { min_free_bytes: 0 },
      }),
    );
    await fleet.nexuses[0]!.trust(releases[0]!);
    const workload = createWorkload(fleet, releases);
    const over = new AbortController();
    const clients = Array.from({ length: CLIENTS }, (_, n) => workload.client(seededRng(n + 1), over.signal));
    await delay(SECONDS * 1000);
    over.abort();
    await Promise.all(clients);

    const isRight = async () => {
      const wrong = await auditFleet(fleet);
      if (wrong.length > 0) throw new Error(wrong.join('\n'));
      return true;
    };
    await until(isRight, 'the fleet has converged');
    const wanted = await readWanted(fleet);
    expect(workload.unexpected).toEqual([]);
    expect(workload.contradictions(wanted.versions)).toEqual([]);

    // And it goes on: every Nexus can still change the wanted set.
    for (const [n, nexus] of fleet.nexuses.entries()) {
      const release = releases[n]!;
      const kind = wanted.versions.includes(release.systemVersion) ? 'delete' : 'upload';
      expect((await workload.act(nexus, release, kind)).outcome).toBe('done');
    }
    await until(isRight, 'the fleet has converged again');
    expect((await readWanted(fleet)).generation).toBe(wanted.generation + 3);

    const conflicts = await conflictsByVerb(fleet);
    const total = [...conflicts.values()].reduce((sum, count) => sum + count, 0);
    process.stdout.write(
      `races: ${SECONDS} s, answers ${text(workload.answers)}, generation ${wanted.generation}, ${total} transactions run again: ${text(conflicts)}\n`,
    );
    expect(total, 'transactions met: without that nothing was shown').toBeGreaterThan(0);
  },
  (SECONDS + 400) * 1000,
);
