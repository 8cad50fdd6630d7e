/**
 * Names of roles, and of their metadata files.
 *
 * A delegated role may have any name without invisible characters (SX3). Its file name is a URL segment: every character with a meaning in URLs or paths is
 * percent-encoded, so that `../root` names the file `..%2Froot.json` and no other.
 */
import { invisibleProblem } from '../lib/shown-text.ts';

export const TOP_LEVEL_ROLES = ['root', 'timestamp', 'snapshot', 'targets'] as const;
export type TopLevelRole = (typeof TOP_LEVEL_ROLES)[number];

const isTopLevelRole = (name: string): name is TopLevelRole =>
  (TOP_LEVEL_ROLES as readonly string[]).includes(name);

/** Of the encoded name: file systems allow 255 bytes, with the version, the ending and the suffix of a temporary file. */
const MAX_ENCODED_LENGTH = 180;

/** Why a delegated role may not have this name, as the end of a sentence; undefined for a good name. */
export const delegatedNameProblem = (name: string): string | undefined => {
  if (name === '') return 'must not be empty';
  if (isTopLevelRole(name)) return `must not be "${name}", which is a top-level role`;
  if (!name.isWellFormed()) return 'must be well-formed text';
  if (invisibleProblem(name) !== undefined) return `must not be a name that ${invisibleProblem(name)}`;
  if (encodeRoleName(name).length > MAX_ENCODED_LENGTH) {
    return `must not be longer than ${MAX_ENCODED_LENGTH} characters, percent-encoded`;
  }
  return undefined;
};

/** Everything but letters, digits, `_`, `.`, `-` and `~`. */
const encodeRoleName = (name: string): string =>
  encodeURIComponent(name).replace(/[!'()*]/g, char => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);

/** @param version in a repository with consistent snapshots, and for roots */
export const metadataFileName = (role: string, version?: number): string =>
  `${version === undefined ? '' : `${version}.`}${encodeRoleName(role)}.json`;
