/** What tests ask of a running fleet, and what they wait for: replication, and the files on the disks of sleds. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestRelease } from '../src/signing/release.fixture.ts';
import type { TestNexus } from './fleet-members.fixture.ts';
import { until, wait } from './fleet-process.fixture.ts';

type ReplicationCounters = Record<string, number>;

/** The task's details from the debug API. */
export const replicationDetails = async (nexus: TestNexus) => {
  const task = await nexus.debug.bgtaskView({ params: { bgtask_name: 'tuf_artifact_replication' } }, wait);
  if (task.last.last_result !== 'completed') throw new Error('replication has not run yet');
  return task.last.details.details as {
    generation: number;
    last_run_counters: ReplicationCounters;
    lifetime_counters: ReplicationCounters;
    local_repos: number;
    requests_deferred: number;
    again_in_ms: number | null;
    error?: string;
  };
};

/** Activates replication once and waits for an activation that began after this call. */
export const activateReplication = async (nexus: Pick<TestNexus, 'debug'>): Promise<void> => {
  const name = 'tuf_artifact_replication';
  const view = () => nexus.debug.bgtaskView({ params: { bgtask_name: name } }, wait);
  const iteration = (task: Awaited<ReturnType<typeof view>>) =>
    task.current.current_status === 'running'
      ? task.current.details.iteration
      : task.last.last_result === 'completed'
        ? task.last.details.iteration
        : 0;
  const before = iteration(await view());
  await nexus.debug.bgtaskActivate({ body: { bgtask_names: [name] } }, wait);
  await until(async () => {
    const task = await view();
    return task.last.last_result === 'completed' && task.last.details.iteration > before;
  }, 'an activation of replication');
};

export const waitComplete = (nexus: TestNexus, version: string): Promise<void> =>
  until(async () => {
    const release = await nexus.fleet.releaseReplication({ params: { system_version: version } }, wait);
    if (!release.complete)
      throw new Error(`${release.state}: ${release.reasons.map(r => r.message).join('; ')}`);
    return true;
  }, `release ${version} complete`);

const HASH = /^[0-9a-f]{64}$/;

/**
 * The artifacts in a dataset, by the hash of their bytes; a file whose name is not its hash fails the test. A file that is
 * deleted during the read is left out.
 */
export const artifactsOnDisk = async (dataset: string): Promise<string[]> => {
  const names = (await readdir(dataset)).filter(name => HASH.test(name)).sort();
  const found: string[] = [];
  for (const name of names) {
    const actual = await hashOfFile(join(dataset, name));
    if (actual === undefined) continue;
    if (actual !== name) throw new Error(`${join(dataset, name)} hashes to ${actual}`);
    found.push(name);
  }
  return found;
};

/** Undefined when there is no such file. */
export const hashOfFile = async (path: string): Promise<string | undefined> => {
  const digest = createHash('sha256');
  try {
    for await (const chunk of createReadStream(path)) digest.update(chunk);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  return digest.digest('hex');
};

export const hashesOf = (...releases: readonly TestRelease[]): string[] =>
  [...new Set(releases.flatMap(release => release.artifacts.map(artifact => artifact.sha256)))].sort();
