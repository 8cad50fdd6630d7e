/**
 * The record of a running local fleet in its data directory, for other commands: its addresses and its token file. It
 * exists while the fleet runs; after a kill its process id shows that the fleet has ended.
 *
 * FRC1. A record is believed only if its reader owns it and nobody else may write it: it decides which server, which authority and
 *       which token a command uses, and the directory of a command may be one that others write to.
 */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
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
    { mode: 0o600 },
  );

export const removeFleetRecord = (dataDirectory: string): Promise<void> =>
  unlinkDurably(join(dataDirectory, RECORD_FILE));

/** The local fleet of a data directory; undefined when none runs. Throws `IO` when its record cannot be read, or is not believed. */
export const readRunningFleet = async (dataDirectory: string): Promise<FleetRecord | undefined> => {
  const path = join(dataDirectory, RECORD_FILE);
  let text: string;
  try {
    // A pipe in its place would keep the command waiting for a writer.
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    await requireOwn(file, path);
    text = await file.readFile('utf8');
  } catch (error) {
    if (error instanceof DepotError) throw error;
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

/** FRC1 */
const requireOwn = async (file: FileHandle, path: string): Promise<void> => {
  const stats = await file.stat();
  const { uid, mode } = stats;
  if (!stats.isFile()) throw notBelieved(path, 'is not a file');
  const self = process.getuid?.();
  if (self !== undefined && uid !== self)
    throw notBelieved(path, `belongs to the user with the id ${uid}, and this command runs as ${self}`);
  if ((mode & 0o022) !== 0) throw notBelieved(path, 'can be written by other users');
};

const notBelieved = (path: string, why: string): DepotError =>
  new DepotError(
    'IO',
    `${path} ${why}, so it is not believed: it says where a fleet is, and whom to trust. Go to another directory, or name the fleet with --url, --data or --fleet`,
  );

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};
