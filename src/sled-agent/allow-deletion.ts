/**
 * Allows, on the machine of a sled, the deletions that the limit of its agent holds up (T4).
 *
 *     deletions.json of the datasets ─▶ those beyond the limit ─▶ allow-deletion.json ─▶ the agent takes it over
 *
 * AW1. It allows waits, by their artifact and their beginning: an artifact that is listed again and dropped later waits anew.
 * AW2. The agent may run: it looks for the file once a minute while something waits, and deletes nothing that is listed.
 */
import { type JudgedDeletion, judged } from '../core/deletion.ts';
import { DepotError } from '../lib/errors.ts';
import { realDisk } from '../lib/real-disk.ts';
import { readSledAgentConfig } from './config.ts';
import { readDeletions, writeAllowance } from './store/files/deletions-file.ts';

export type AllowedDeletions = {
  /** Beyond the limit, those that would go first at the beginning. */
  readonly artifacts: readonly Pick<JudgedDeletion, 'sha256' | 'sizeBytes' | 'remainingMs'>[];
  readonly isAllowed: boolean;
};

/** @throws `NO_USABLE_DATASET` when no dataset has a file of deletions that can be read, or takes the one that allows them */
export const allowDeletions = async (
  configPath: string,
  { apply }: { readonly apply: boolean },
): Promise<AllowedDeletions> => {
  const { store } = await readSledAgentConfig(configPath);
  const { directories, deletion } = store;
  const found = await findNewest(directories);
  const limited = judged(found.record, found.clockMs, deletion).filter(({ isLimited }) => isLimited);
  if (apply && limited.length > 0) await writeAllowance(realDisk, found.directory, limited);
  return {
    artifacts: limited.map(({ sha256, sizeBytes, remainingMs }) => ({ sha256, sizeBytes, remainingMs })),
    isAllowed: apply && limited.length > 0,
  };
};

const findNewest = async (directories: readonly string[]) => {
  const faults: string[] = [];
  const found = [];
  for (const directory of directories) {
    try {
      const read = await readDeletions(realDisk, directory);
      if (read.kind === 'whole') found.push({ directory, ...read.body });
      else faults.push(`${directory}: ${read.kind === 'none' ? 'there is none' : read.reason}`);
    } catch (error) {
      faults.push(`${directory}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  const [newest] = found.toSorted((a, b) => b.clockMs - a.clockMs);
  if (newest !== undefined) return newest;
  throw new DepotError(
    'NO_USABLE_DATASET',
    `no dataset of this sled has a file of deletions that can be read (${faults.join('; ')}); the sled agent writes it while it runs, unless deletions neither wait nor have a limit`,
  );
};
