/**
 * The composite artifacts of a v1 release: gzipped tar archives whose files are artifacts of their own.
 *
 *     host, trampoline              image/gimlet.rom, image/cosmo.rom (once: image/rom), image/zfs.img
 *     gimlet_rot, psc_rot, …        archive-a.zip, archive-b.zip
 *     control_plane                 zones/NAME.tar.gz, one or more; every file in that folder is a zone
 *
 * Each part gets the tags that a v2 release gives it, and in `v1_kind` the kind that v1 readers derive. The file
 * `oxide.json` in each has the type of the archive.
 */

/** Tags of a part by its name in the archive; undefined for a file that is no part. */
type TagsOf = (
  partName: string,
  artifact: { readonly name: string },
) => Readonly<Record<string, string>> | undefined;

export type CompositeKind = {
  /** The required type in `oxide.json`. */
  readonly archiveType: string;
  readonly tagsOf: TagsOf;
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

const osImage = (v1Kind: 'host' | 'trampoline', variant: 'host' | 'recovery'): CompositeKind => ({
  archiveType: 'os',
  tagsOf(partName) {
    if (partName === PHASE_2_FILE)
      return { kind: 'os_phase2', os_variant: variant, v1_kind: `${v1Kind}_phase_2` };
    const board = BOARD_BY_FILE.get(partName);
    if (board === undefined) return undefined;
    const derived = partName === 'image/rom' ? `${v1Kind}_phase_1` : `${board}_${v1Kind}_phase_1`;
    return { kind: 'os_phase1', os_board: board, os_variant: variant, v1_kind: derived };
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

/** A release may have several for one board, signed with different keys, so the name tells them apart. */
const rotImage = (v1Kind: string): CompositeKind => ({
  archiveType: 'rot',
  tagsOf(partName, { name }) {
    const slot = SLOT_BY_FILE.get(partName);
    return slot === undefined
      ? undefined
      : { kind: 'rot', rot_name: name, rot_slot: slot, v1_kind: `${v1Kind}_image_${slot}` };
  },
  missing: partNames => [...SLOT_BY_FILE.keys()].find(name => !partNames.includes(name)),
});

const controlPlane: CompositeKind = {
  archiveType: 'control_plane',
  tagsOf(partName) {
    if (!partName.startsWith(ZONE_FOLDER)) return undefined;
    const fileName = partName.slice(ZONE_FOLDER.length);
    const zoneName = fileName.endsWith(ZONE_SUFFIX) ? fileName.slice(0, -ZONE_SUFFIX.length) : fileName;
    return { kind: 'zone', v1_kind: 'zone', zone_name: zoneName };
  },
  missing: partNames => (partNames.length === 0 ? `${ZONE_FOLDER}NAME${ZONE_SUFFIX}` : undefined),
};

export const COMPOSITE_KINDS: ReadonlyMap<string, CompositeKind> = new Map([
  ['host', osImage('host', 'host')],
  ['trampoline', osImage('trampoline', 'recovery')],
  ['gimlet_rot', rotImage('gimlet_rot')],
  ['psc_rot', rotImage('psc_rot')],
  ['switch_rot', rotImage('switch_rot')],
  ['control_plane', controlPlane],
]);

/** Kinds of v1 artifacts that are one file. Any other kind that is not composite is kept whole and reported. */
export const WHOLE_KINDS: ReadonlySet<string> = new Set([
  'gimlet_sp',
  'gimlet_rot_bootloader',
  'psc_sp',
  'psc_rot_bootloader',
  'switch_sp',
  'switch_rot_bootloader',
  'installinator_document',
  'measurement_corpus',
  'zone',
]);
