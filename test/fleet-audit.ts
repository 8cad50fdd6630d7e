/**
 * A fleet that was left alone: does everything agree, and is it right on the disks?
 *
 *     database (SQL) ─▶ present releases, generation ─▶ each file of each dataset, hashed
 *                                                   └▶ staging directories, the answers of each Nexus and sled
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { wait } from './fleet-process.fixture.ts';
import { artifactsOnDisk, replicationDetails } from './fleet-state.fixture.ts';
import type { TestFleet } from './process-fleet.fixture.ts';

export type Wanted = {
  readonly generation: number;
  /** Sorted. */
  readonly versions: readonly string[];
  /** Sorted, distinct. */
  readonly hashes: readonly string[];
};

const PRESENT = `
  SELECT DISTINCT repo.system_version, artifact.sha256
  FROM tuf_repo repo
  JOIN tuf_repo_artifact listed ON listed.tuf_repo_id = repo.id
  JOIN tuf_artifact artifact ON artifact.id = listed.tuf_artifact_id
  WHERE repo.time_pruned IS NULL`;

/** From the tables alone. */
export const readWanted = async ({ database }: TestFleet): Promise<Wanted> => {
  const rows = await database.query<{ system_version: string; sha256: string }>(PRESENT);
  const [current] = await database.query<{ generation: string }>('SELECT generation FROM tuf_current_point');
  return {
    generation: Number(current!.generation),
    versions: [...new Set(rows.map(row => row.system_version))].sort(),
    hashes: [...new Set(rows.map(row => row.sha256))].sort(),
  };
};

/**
 * Everything that is not as it should be, one line each; a fleet that has converged gives none.
 *
 * @param accepted codes of reasons in the status that the test has caused for good
 */
export const auditFleet = async (fleet: TestFleet, accepted: readonly string[] = []): Promise<string[]> => {
  const wanted = await readWanted(fleet);
  const lines = [
    ...(await Promise.all(fleet.sleds.map(sled => auditSled(sled, wanted)))),
    ...(await Promise.all(fleet.nexuses.map(nexus => auditNexus(nexus, wanted, accepted)))),
  ];
  return lines.flat();
};

const auditSled = async (sled: TestFleet['sleds'][number], wanted: Wanted): Promise<string[]> => {
  const found: string[] = [];
  for (const dataset of sled.datasets) {
    const held = await artifactsOnDisk(dataset).catch((error: Error) => {
      found.push(error.message);
      return [];
    });
    found.push(...differences(`${sled.serial} ${dataset}`, held, wanted.hashes));
    const leftovers = (await readdir(dataset)).filter(name => name.startsWith('.tmp-'));
    if (leftovers.length > 0) found.push(`${dataset} has ${leftovers.length} unfinished files`);
  }
  await using client = sled.agent();
  try {
    const { generation } = await client.artifactConfigGet({ query: {} }, wait);
    if (generation !== wanted.generation)
      found.push(`${sled.serial} has generation ${generation}, the database ${wanted.generation}`);
  } catch (error) {
    found.push(`${sled.serial}: ${(error as Error).message}`);
  }
  return found;
};

const auditNexus = async (
  nexus: TestFleet['nexuses'][number],
  wanted: Wanted,
  accepted: readonly string[],
): Promise<string[]> => {
  const found: string[] = [];
  const staged = (await readdir(nexus.stagingDirectory)).filter(name => !['lock', 'nexus-id'].includes(name));
  if (staged.length > 0) found.push(`${nexus.stagingDirectory} still has ${staged.map(kindOf).join(', ')}`);
  try {
    const { generation } = await replicationDetails(nexus);
    if (generation !== wanted.generation)
      found.push(`a Nexus replicates generation ${generation}, the database has ${wanted.generation}`);
    const { items } = await nexus.update.repositoryList({ query: { limit: 1000 } }, wait);
    const versions = items.map(each => each.system_version).sort();
    found.push(...differences('the releases of a Nexus', versions, wanted.versions));
    const { verdict, reasons } = await nexus.fleet.fleetStatus({}, wait);
    const codes = reasons.map(({ code }) => code).filter(code => !accepted.includes(code));
    if (verdict !== 'ok' && (codes.length > 0 || accepted.length === 0))
      found.push(`a Nexus is ${verdict}: ${codes.join(', ')}`);
  } catch (error) {
    found.push(`a Nexus: ${(error as Error).message}`);
  }
  return found;
};

const kindOf = (name: string): string => join('…', name.slice(name.indexOf('.')));

const differences = (where: string, found: readonly string[], wanted: readonly string[]): string[] => {
  const lacking = wanted.filter(each => !found.includes(each));
  const surplus = found.filter(each => !wanted.includes(each));
  return [
    ...(lacking.length > 0 ? [`${where} lacks ${lacking.length} of ${wanted.length}, as ${lacking[0]}`] : []),
    ...(surplus.length > 0 ? [`${where} has ${surplus.length} too many, as ${surplus[0]}`] : []),
  ];
};
