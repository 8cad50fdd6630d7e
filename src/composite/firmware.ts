/**
 * The tags of a firmware image, which the image itself says: its board, and the root key table that signed it.
 *
 *     archive ─▶ img/final.elf ─▶ flash ─▶ caboose ─▶ tags
 *
 * FW1. An image that does not say its board, or cannot be read, has no such tags; the reason is part of the result.
 * FW2. An image of a service processor whose name is not its board is for a laboratory: no sled of a fleet has that board.
 */
import { DepotError, messageChain } from '../lib/errors.ts';
import { type Caboose, readCaboose } from './caboose.ts';
import { readFlash } from './elf.ts';
import { readHubrisFile } from './hubris-archive.ts';

const IMAGE_FILE = 'img/final.elf';

export type FirmwareRole =
  | { readonly kind: 'sp' | 'rot_bootloader' }
  | { readonly kind: 'rot'; readonly slot: string };

export type Firmware =
  | { readonly outcome: 'read'; readonly tags: Readonly<Record<string, string>> }
  | { readonly outcome: 'laboratory'; readonly board: string; readonly name: string }
  | { readonly outcome: 'unreadable'; readonly reason: string };

export const readFirmware = (archive: Uint8Array, role: FirmwareRole): Firmware => {
  try {
    return describe(readCaboose(readFlash(readHubrisFile(archive, IMAGE_FILE))), role);
  } catch (error) {
    if (!(error instanceof DepotError)) throw error;
    return { outcome: 'unreadable', reason: messageChain(error) };
  }
};

const describe = ({ board, name, sign }: Caboose, role: FirmwareRole): Firmware => {
  if (board === undefined) return { outcome: 'unreadable', reason: 'its caboose names no board (BORD)' };
  const signed = sign === undefined ? {} : { rot_rkth: sign };
  switch (role.kind) {
    case 'sp':
      return name === undefined || name === board
        ? { outcome: 'read', tags: { kind: 'sp', sp_board: board } }
        : { outcome: 'laboratory', board, name };
    case 'rot_bootloader':
      return { outcome: 'read', tags: { kind: 'rot_bootloader', rot_board: board, ...signed } };
    case 'rot':
      return { outcome: 'read', tags: { kind: 'rot', rot_board: board, ...signed, rot_slot: role.slot } };
    default:
      return role satisfies never;
  }
};
