/**
 * Kept configs: configs of points that the database does not know, from another history of it, kept with their whole set on
 * every dataset until a recovery has decided on them (P13).
 *
 *     kept-config-GENERATION-DIGEST.json      one checked file for each point, on each dataset
 *
 * KC1. The artifacts of a kept config are not deleted, whatever the config in force says.
 * KC2. A dataset has every kept config, durably, before its ledger is replaced.
 * KC3. A file that cannot be read still names its point: until another dataset has its set, nothing at all is deleted.
 */
import { join } from 'node:path';
import type { ArtifactConfig } from '../../../core/artifact-config.ts';
import { type ArtifactHash, asGeneration, type Point, pointText } from '../../../core/ids.ts';
import { samePoint, shortPoint } from '../../../core/lineage.ts';
import { type Disk, systemErrorIs } from '../../../lib/disk.ts';
import { writeFileDurably } from '../../../lib/durable-file.ts';
import { pointOf } from '../point.ts';
import type { Use } from '../store.ts';
import { type CheckedFormat, encodeChecked, readChecked } from './checked-file.ts';
import { configOfStored, configToStored, MAX_CONFIG_FILE_BYTES, StoredConfig } from './stored-config.ts';

const NAME = /^kept-config-(\d{1,16})-([0-9a-f]{64})\.json$/;

export const isKeptName = (name: string): boolean => NAME.test(name);

const nameOf = ({ generation, digest }: Point): string => `kept-config-${generation}-${digest}.json`;

/** By {@link pointText}; a set is undefined if no file with it can be read (KC3). */
export type KeptConfigs = ReadonlyMap<string, KeptConfig>;
export type KeptConfig = {
  readonly point: Point;
  readonly config: ArtifactConfig | undefined;
};

const FORMAT: CheckedFormat<ReturnType<typeof StoredConfig.parse>> = {
  what: 'a kept config',
  version: 1,
  maxBytes: MAX_CONFIG_FILE_BYTES,
  body: StoredConfig,
};

/** Errors of the disk are thrown. @throws `DATASET_VERSION` */
export const readKeptConfigs = async (disk: Disk, directory: string): Promise<readonly KeptConfig[]> => {
  const kept: KeptConfig[] = [];
  for (const name of await disk.readDirectory(directory)) {
    const [, generation, digest] = NAME.exec(name) ?? [];
    if (digest === undefined) continue;
    const point = { generation: asGeneration(Number(generation)), digest };
    const read = await readChecked(disk, join(directory, name), FORMAT);
    const config = read.kind === 'whole' ? configOfStored(read.body) : undefined;
    const isItself = config !== undefined && samePoint(pointOf(config), point);
    kept.push({ point, config: isItself ? config : undefined });
  }
  return kept;
};

/** Undefined sets are filled in from other files. */
export const withKept = (kept: KeptConfigs, found: readonly KeptConfig[]): KeptConfigs => {
  const all = new Map(kept);
  for (const each of found) {
    const text = pointText(each.point);
    if (all.get(text)?.config === undefined) all.set(text, each);
  }
  return all;
};

/** Writes the missing files of a directory. */
export const writeKeptConfigs = async (disk: Disk, directory: string, kept: KeptConfigs): Promise<void> => {
  if (kept.size === 0) return;
  const there = await readKeptConfigs(disk, directory);
  const whole = new Set(there.filter(each => each.config !== undefined).map(each => pointText(each.point)));
  for (const [text, { point, config }] of kept) {
    if (config === undefined || whole.has(text)) continue;
    const content = encodeChecked(FORMAT.version, configToStored(config));
    await writeFileDurably(join(directory, nameOf(point)), content, { disk });
  }
};

export const removeKeptConfig = async (disk: Disk, directory: string, point: Point): Promise<void> => {
  try {
    await disk.unlink(join(directory, nameOf(point)));
  } catch (error) {
    if (!systemErrorIs(error, 'ENOENT')) throw error;
  }
  await disk.syncDirectory(directory);
};

/** KC1, KC3: why an artifact may not be deleted; undefined when no kept config lists it. */
export const keptUse = (kept: KeptConfigs, sha256: ArtifactHash): Use | undefined => {
  for (const { point, config } of kept.values()) {
    if (config === undefined || config.artifacts.has(sha256))
      return { reason: `kept for point ${shortPoint(point)} until a recovery decides on it`, leases: [] };
  }
  return undefined;
};
