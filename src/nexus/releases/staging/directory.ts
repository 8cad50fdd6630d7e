/**
 * The staging directory of one Nexus, and the names in it:
 *
 *     nexus-id                the identity of this Nexus, which belongs to the directory (P8)
 *     lock                    held while a process uses the directory (P12)
 *     <upload id>.zip.part    being received and verified; worth nothing after a crash
 *     <upload id>.zip         verified and durable
 *     <upload id>.parts       the parts of its composite artifacts, if it has any: parts-file.ts
 *     <upload id>.json        the sidecar of the archive: staged-archive.ts
 */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { NexusId, UploadId } from '../../../core/ids.ts';
import { type Disk, ensureDirectory } from '../../../lib/disk.ts';
import {
  readFileWhole,
  removeTemporaryFiles,
  unlinkDurably,
  writeFileDurably,
} from '../../../lib/durable-file.ts';
import { DepotError } from '../../../lib/errors.ts';
import { acquireExclusiveLock, type ExclusiveLock } from '../../../lib/exclusive-lock.ts';
import { privateDisk } from '../../../lib/real-disk.ts';

const ID_FILE = 'nexus-id';
const MAX_ID_BYTES = 256;
const UPLOAD_FILE = /^([0-9a-f-]{36})\.(zip\.part|zip|parts|json)$/;

type UploadFiles = {
  readonly part: string;
  readonly archive: string;
  readonly parts: string;
  readonly sidecar: string;
};

type UploadPresence = {
  readonly archive: boolean;
  readonly parts: boolean;
  readonly sidecar: boolean;
};

export type StagingDirectory = AsyncDisposable & {
  readonly disk: Disk;
  readonly path: string;
  readonly nexusId: NexusId;
  readonly filesOf: (uploadId: UploadId) => UploadFiles;
  /** Every upload with a finished file. */
  readonly list: () => Promise<ReadonlyMap<UploadId, UploadPresence>>;
  /** The archive first, so that the sidecar outlives it: after an interruption a start still knows the archive's marks. */
  readonly remove: (uploadId: UploadId) => Promise<void>;
};

type Place = {
  readonly disk?: Disk;
  readonly lockDirectory?: (path: string) => Promise<ExclusiveLock>;
  readonly newId?: () => string;
  /** The id in the certificate of this Nexus, if it has one. */
  readonly nexusId?: NexusId | undefined;
};

/**
 * Creates the directory if it is absent, takes its lock, and removes unfinished writes.
 *
 * @throws `IN_USE_BY_PROCESS`, `STAGING_DAMAGED`; `CONFIG_INVALID` if it belongs to another Nexus than the certificate
 */
export const openStagingDirectory = async (
  path: string,
  { disk = privateDisk, lockDirectory = acquireExclusiveLock, newId = randomUUID, nexusId: own }: Place = {},
): Promise<StagingDirectory> => {
  await ensureDirectory(disk, path);
  const lock = await lockDirectory(path);
  try {
    await removeTemporaryFiles(path, { disk });
    await removeUnfinishedUploads(disk, path);
    const nexusId = await readOrMakeId(disk, path, () => own ?? newId());
    requireOwn(path, nexusId, own);
    return { ...stagingFiles(disk, path), nexusId, [Symbol.asyncDispose]: lock[Symbol.asyncDispose] };
  } catch (error) {
    await lock[Symbol.asyncDispose]();
    throw error;
  }
};

const requireOwn = (path: string, found: NexusId, own: NexusId | undefined): void => {
  if (own === undefined || own === found) return;
  throw new DepotError(
    'CONFIG_INVALID',
    `${path} belongs to the Nexus ${found}, and the certificate names the Nexus ${own}: issue a certificate for ${found}, or configure another staging directory`,
  );
};

const stagingFiles = (disk: Disk, path: string) => {
  const filesOf = (uploadId: UploadId): UploadFiles => ({
    part: join(path, `${uploadId}.zip.part`),
    archive: join(path, `${uploadId}.zip`),
    parts: join(path, `${uploadId}.parts`),
    sidecar: join(path, `${uploadId}.json`),
  });
  return {
    disk,
    path,
    filesOf,
    async list() {
      const uploads = new Map<UploadId, UploadPresence>();
      for (const name of await disk.readDirectory(path)) {
        const [, id, kind] = UPLOAD_FILE.exec(name) ?? [];
        if (id === undefined || kind === 'zip.part') continue;
        const uploadId = UploadId.parse(id);
        const found = uploads.get(uploadId) ?? { archive: false, parts: false, sidecar: false };
        uploads.set(uploadId, {
          archive: found.archive || kind === 'zip',
          parts: found.parts || kind === 'parts',
          sidecar: found.sidecar || kind === 'json',
        });
      }
      return uploads;
    },
    async remove(uploadId: UploadId) {
      const { archive, parts, sidecar } = filesOf(uploadId);
      await unlinkDurably(archive, { disk });
      await unlinkDurably(parts, { disk });
      await unlinkDurably(sidecar, { disk });
    },
  };
};

const removeUnfinishedUploads = async (disk: Disk, path: string): Promise<void> => {
  const parts = (await disk.readDirectory(path)).filter(name => UPLOAD_FILE.exec(name)?.[2] === 'zip.part');
  for (const name of parts) await unlinkDurably(join(path, name), { disk });
};

const readOrMakeId = async (disk: Disk, path: string, newId: () => string): Promise<NexusId> => {
  const present = await presentNexusId(disk, path);
  if (present !== undefined) return present;
  const made = NexusId.parse(newId());
  await writeFileDurably(join(path, ID_FILE), `${made}\n`, { disk });
  return made;
};

/** To which the directory belongs; undefined for one that no Nexus has used. @throws `STAGING_DAMAGED` */
export const presentNexusId = async (disk: Disk, path: string): Promise<NexusId | undefined> => {
  const file = join(path, ID_FILE);
  const text = await readFileWhole(file, { disk, maxBytes: MAX_ID_BYTES });
  if (text === undefined) return undefined;
  const id = NexusId.safeParse(text.trim());
  if (!id.success) throw new DepotError('STAGING_DAMAGED', `${file} does not hold the id of a Nexus`);
  return id.data;
};
