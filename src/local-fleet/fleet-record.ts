/**
 * The record of a running local fleet in its data directory, for other commands: its addresses and its token file. It
 * exists while the fleet runs; after a kill its process id shows that the fleet has ended.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { unlinkDurably, writeFileDurably } from '../lib/durable-file.ts';
import { DepotError } from '../lib/errors.ts';
import { isAlive } from '../lib/process-alive.ts';

/** Relative to the working directory. */
export const DEFAULT_DATA_DIRECTORY = '.tuf-depot';
const RECORD_FILE = 'fleet.json';

const Record = z.object({
  pid: z.number().int().positive(),
  operator_urls: z.array(z.url()).min(1),
  token_file: z.string().optional(),
  /** Absent in the record of a fleet without TLS. */
  ca_file: z.string().optional(),
  min_sled_replication: z.number().int().min(1),
});

export type FleetRecord = {
  readonly pid: number;
  readonly operatorUrls: readonly string[];
  /** Absolute. */
  readonly tokenFile: string | undefined;
  /** The authority of the fleet. Absolute. */
  readonly authoritiesFile: string | undefined;
  readonly minSledReplication: number;
};

export const writeFleetRecord = (dataDirectory: string, record: FleetRecord): Promise<void> =>
  writeFileDurably(
    join(dataDirectory, RECORD_FILE),
    `${JSON.stringify(
      {
        pid: record.pid,
        operator_urls: [...record.operatorUrls],
        token_file: record.tokenFile,
        ca_file: record.authoritiesFile,
        min_sled_replication: record.minSledReplication,
      } satisfies z.input<typeof Record>,
      undefined,
      2,
    )}\n`,
  );

export const removeFleetRecord = (dataDirectory: string): Promise<void> =>
  unlinkDurably(join(dataDirectory, RECORD_FILE));

/** The local fleet of a data directory; undefined when none runs. Throws `IO` when its record cannot be read. */
export const readRunningFleet = async (dataDirectory: string): Promise<FleetRecord | undefined> => {
  const path = join(dataDirectory, RECORD_FILE);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new DepotError('IO', `cannot read ${path}`, { cause: error });
  }
  const parsed = Record.safeParse(parseJson(text));
  if (!parsed.success) throw new DepotError('IO', `${path} is not the record of a fleet; remove it`);
  const { pid, operator_urls, token_file, ca_file, min_sled_replication } = parsed.data;
  if (!isAlive(pid)) return undefined;
  return {
    pid,
    operatorUrls: operator_urls,
    tokenFile: token_file,
    authoritiesFile: ca_file,
    minSledReplication: min_sled_replication,
  };
};

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};
