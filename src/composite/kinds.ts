/**
 * The kinds of v1 artifacts.
 *
 *     composite: gzipped tar archives whose files are artifacts of their own; `oxide.json` in each has its type
 *       host, trampoline              image/gimlet.rom, image/cosmo.rom (once: image/rom), image/zfs.img
 *       gimlet_rot, psc_rot, …        archive-a.zip, archive-b.zip
 *       control_plane                 zones/NAME.tar.gz, one or more; every file in that folder is a zone
 *     firmware: images that say themselves for which board they are
 *       gimlet_sp, …                  one image for a service processor
 *       gimlet_rot_bootloader, …      one image for a root of trust; the parts of a composite `…_rot` are such images too
 *     whole: measurement_corpus, installinator_document, zone
 *
 * Each artifact and each part gets the tags that a v2 release gives it.
 */
import type { FirmwareRole } from './firmware.ts';

/** Tags of a part by its name in the archive; undefined for a file that is no part. */
type TagsOf = (
  partName: string,
  artifact: { readonly name: string },
) => Readonly<Record<string, string>> | undefined;

export type CompositeKind = {
  /** The required type in `oxide.json`. */
  readonly archiveType: string;
  /** What is known without the content of the part. */
  readonly tagsOf: TagsOf;
  /** The role of the image that a part is. */
  readonly firmwareOf?: (partName: string) => FirmwareRole | undefined;
  /** The missing parts, for an error; undefined when all are there. */
  readonly missing: (partNames: readonly string[]) => string | undefined;
};

export const ARCHIVE_DESCRIPTION = 'oxide.json';
const ZONE_FOLDER = 'zones/';
const ZONE_SUFFIX = '.tar.gz';

/** Images without a board are from the time of the first one. */
const BOARD_BY_FILE: ReadonlyMap<string, string> = new Map([
  ['image/rom', 'gimlet'],
  ['image/gimlet.rom', 'gimlet'],
  ['image/cosmo.rom', 'cosmo'],
]);
const PHASE_2_FILE = 'image/zfs.img';

const osImage = (variant: 'host' | 'recovery'): CompositeKind => ({
  archiveType: 'os',
  tagsOf(partName) {
    if (partName === PHASE_2_FILE) return { kind: 'os_phase2', os_variant: variant };
    const board = BOARD_BY_FILE.get(partName);
    return board === undefined ? undefined : { kind: 'os_phase1', os_board: board, os_variant: variant };
  },
  missing(partNames) {
    if (!partNames.includes(PHASE_2_FILE)) return PHASE_2_FILE;
    return partNames.some(name => BOARD_BY_FILE.has(name))
      ? undefined
      : [...BOARD_BY_FILE.keys()].join(' or ');
  },
});

const SLOT_BY_FILE: ReadonlyMap<string, string> = new Map([
  ['archive-a.zip', 'a'],
  ['archive-b.zip', 'b'],
]);

/** Where an image does not say its board and its key, the name of its artifact tells it from others. */
const rotImage: CompositeKind = {
  archiveType: 'rot',
  tagsOf(partName, { name }) {
    const slot = SLOT_BY_FILE.get(partName);
    return slot === undefined ? undefined : { kind: 'rot', rot_name: name, rot_slot: slot };
  },
  firmwareOf(partName) {
    const slot = SLOT_BY_FILE.get(partName);
    return slot === undefined ? undefined : { kind: 'rot', slot };
  },
  missing: partNames => [...SLOT_BY_FILE.keys()].find(name => !partNames.includes(name)),
};

const controlPlane: CompositeKind = {
  archiveType: 'control_plane',
  tagsOf(partName) {
    if (!partName.startsWith(ZONE_FOLDER)) return undefined;
    const fileName = partName.slice(ZONE_FOLDER.length);
    const zoneName = fileName.endsWith(ZONE_SUFFIX) ? fileName.slice(0, -ZONE_SUFFIX.length) : fileName;
    return { kind: 'zone', zone_name: zoneName };
  },
  missing: partNames => (partNames.length === 0 ? `${ZONE_FOLDER}NAME${ZONE_SUFFIX}` : undefined),
};

export const COMPOSITE_KINDS: ReadonlyMap<string, CompositeKind> = new Map([
  ['host', osImage('host')],
  ['trampoline', osImage('recovery')],
  ['gimlet_rot', rotImage],
  ['psc_rot', rotImage],
  ['switch_rot', rotImage],
  ['control_plane', controlPlane],
]);

/** Kinds of v1 artifacts that are one firmware image. */
export const FIRMWARE_KINDS: ReadonlyMap<string, FirmwareRole> = new Map([
  ['gimlet_sp', { kind: 'sp' }],
  ['psc_sp', { kind: 'sp' }],
  ['switch_sp', { kind: 'sp' }],
  ['gimlet_rot_bootloader', { kind: 'rot_bootloader' }],
  ['psc_rot_bootloader', { kind: 'rot_bootloader' }],
  ['switch_rot_bootloader', { kind: 'rot_bootloader' }],
]);

export const CORPUS_KIND = 'measurement_corpus';
export const INSTALLINATOR_KIND = 'installinator_document';

/** Any other kind that is not composite is kept whole and reported. */
export const WHOLE_KINDS: ReadonlySet<string> = new Set([
  ...FIRMWARE_KINDS.keys(),
  ...[CORPUS_KIND, INSTALLINATOR_KIND, 'zone'],
]);

/** Whether an artifact of a v1 release is surely one of those that are recorded for it, with the same bytes. */
export const isRecordedWhole = (kind: string): boolean =>
  !COMPOSITE_KINDS.has(kind) && kind !== INSTALLINATOR_KIND && FIRMWARE_KINDS.get(kind)?.kind !== 'sp';
