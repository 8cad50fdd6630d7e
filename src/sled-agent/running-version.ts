/**
 * The release that this machine runs, as whatever updates it wrote it into a file; Nexus counts the sled by it.
 *
 * RNV1. It is read for each list, so that a machine that was updated needs no restart of its sled agent.
 * RNV2. A file that is absent or says no version is none: the sled goes on, is counted by what it holds, and says so once.
 */
import { SystemVersion } from '../core/ids.ts';
import type { Disk } from '../lib/disk.ts';
import { readFileWhole } from '../lib/durable-file.ts';
import { messageChain } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { realDisk } from '../lib/real-disk.ts';

/** A version, a line feed, and room for a comment below. */
const MAX_FILE_BYTES = 1_024;

export type ReadRunningVersion = () => Promise<SystemVersion | undefined>;

/** The first line of `file`; undefined without one. */
export const runningVersionReader = (
  file: string | undefined,
  { disk = realDisk, log }: { readonly disk?: Disk | undefined; readonly log: Logger },
): ReadRunningVersion => {
  let toldOf: string | undefined;
  return async () => {
    if (file === undefined) return undefined;
    try {
      const text = (await readFileWhole(file, { disk, maxBytes: MAX_FILE_BYTES })) ?? '';
      const version = SystemVersion.parse((text.split('\n')[0] ?? '').trim());
      toldOf = undefined;
      return version;
    } catch (error) {
      const why = messageChain(error);
      if (why !== toldOf) log.warn({ file, err: error }, 'running_version_file has no version that is known');
      toldOf = why;
      return undefined;
    }
  };
};
