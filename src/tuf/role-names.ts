/**
 * Names of roles, and of their metadata files.
 *
 * A delegated role may have any name without invisible characters (SX3). Its file name is a URL segment: every character with a meaning in URLs or paths is
 * percent-encoded, so that `../root` names the file `..%2Froot.json` and no other.
 *
 * FN1. Files lie under that name or under the one that a web server makes of it: it decodes `team%20a.json` and serves the file
 *      `team a.json`. Every source takes both; what this program writes has the second one where that is an ordinary file name.
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

/**
 * A file name with its characters as they are, if that is another name and leads nowhere else (FN1). A role name with a `/` is a
 * file in a folder then, as web servers understand it.
 */
export const decodedFileName = (fileName: string): string | undefined => {
  if (!fileName.includes('%')) return undefined;
  const decoded = decode(fileName);
  const isPath = decoded?.split('/').every(segment => segment !== '' && segment !== '.' && segment !== '..');
  return isPath === true && !decoded?.includes('\\') && !decoded?.includes('\0') ? decoded : undefined;
};

const decode = (text: string): string | undefined => {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
};

/**
 * The names of metadata files in a folder that a web server may serve (FN1). One with a `%` is always an encoded one, and names that
 * only differ in case stay apart on every file system.
 */
export const storedFileNames = (fileNames: Iterable<string>): ReadonlyMap<string, string> => {
  const wanted = Array.from(fileNames, name => [name, ordinaryName(name)] as const);
  const counts = Map.groupBy(wanted, ([, decoded]) => folded(decoded));
  return new Map(
    wanted.map(([name, decoded]) => [name, counts.get(folded(decoded))?.length === 1 ? decoded : name]),
  );
};

const ordinaryName = (fileName: string): string => {
  const decoded = decodedFileName(fileName);
  const isOrdinary = decoded !== undefined && !/[/%]/.test(decoded) && decoded === decoded.normalize('NFC');
  return isOrdinary ? decoded : fileName;
};

const folded = (name: string): string => name.toUpperCase().toLowerCase().normalize('NFC');

/** Reads a metadata file under either of its names (FN1). */
export const underEitherName =
  <Rest extends readonly unknown[], Found>(
    read: (fileName: string, ...rest: Rest) => Promise<Found | undefined>,
  ): ((fileName: string, ...rest: Rest) => Promise<Found | undefined>) =>
  async (fileName, ...rest) => {
    const found = await read(fileName, ...rest);
    const other = found === undefined ? decodedFileName(fileName) : undefined;
    return other === undefined ? found : await read(other, ...rest);
  };
