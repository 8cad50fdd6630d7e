/** What the firmware images of a release said, as sentences. */
import type { UnreadableImage } from '../composite/split.ts';
import { quoted } from '../lib/shown-text.ts';

export type FirmwareFindings = {
  readonly unreadable: UnreadableImage[];
  readonly laboratory: { readonly targetName: string; readonly board: string; readonly name: string }[];
  /** With the artifact that stays. */
  readonly merged: { readonly targetName: string; readonly other: string }[];
};

/** More of a kind would help no reader. */
const MAX_SHOWN = 5;

export const firmwareTexts = ({ unreadable, laboratory, merged }: FirmwareFindings): readonly string[] => [
  ...shown(
    unreadable.map(
      ({ targetName, reason }) =>
        `${targetName} does not say its board and key, so it keeps the tags of its v1 kind: ${reason}`,
    ),
  ),
  ...shown(
    laboratory.map(
      ({ targetName, board, name }) =>
        `left out, since it is for a laboratory: ${targetName} (board ${quoted(board)}, name ${quoted(name)})`,
    ),
  ),
  ...shown(
    merged.map(({ targetName, other }) => `${targetName} has the same content as ${other}: one artifact`),
  ),
];

const shown = (texts: readonly string[]): readonly string[] =>
  texts.length <= MAX_SHOWN
    ? texts
    : [...texts.slice(0, MAX_SHOWN), `and ${texts.length - MAX_SHOWN} more like the last one`];
