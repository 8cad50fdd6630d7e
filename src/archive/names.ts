/**
 * Names of entries: each has one spelling, and none leads out of the folder in which it would be unpacked.
 *
 * N1. A name is relative, slash-separated UTF-8 in NFC, without empty, `.` or `..` segments, backslashes, drive
 *     letters, control characters or other invisible ones (SX3).
 * N2. No two names are equal after case folding and normalisation, and no file is another entry's folder: on
 *     every file system, and to every other reader, the entries are the same distinct files.
 */
import { invisibleProblem, quoted } from '../lib/shown-text.ts';
import { invalid } from './refusal.ts';

const DRIVE_LETTER = /^[A-Za-z]:/;

/** Why a name is refused, or undefined (N1). A folder's name is given without its final slash. */
const nameFault = (name: string): string | undefined => {
  if (name === '') return 'is empty';
  if (!name.isWellFormed()) return 'is not Unicode';
  const invisible = invisibleProblem(name);
  if (invisible !== undefined) return invisible;
  if (name.includes('\\')) {
    return (
      "has a backslash, with which some Windows tools separate folders; ZIP requires '/': pack the folder with " +
      'PowerShell 7 or later, 7-Zip, or tar.exe -a -cf RELEASE.zip repo'
    );
  }
  if (name.startsWith('/') || DRIVE_LETTER.test(name)) return 'is absolute';
  if (name.normalize('NFC') !== name) return 'is not in Unicode normal form C';
  if (name.split('/').some(segment => segment === '' || segment === '.' || segment === '..')) {
    return "has an empty, '.' or '..' segment";
  }
  return undefined;
};

/** Upper case first: it folds what has no lower-case pair of its own, such as the German sharp s. */
const folded = (name: string): string => name.toUpperCase().toLowerCase().normalize('NFC');

export type NameRegister = {
  /** Adds a name; a folder's ends in a slash. Throws `ARCHIVE_INVALID` when N1 or N2 would not hold. */
  readonly add: (name: string) => void;
};

export const createNameRegister = (): NameRegister => {
  /** Folded name to kind; `implied` folders exist because an entry lies in them. */
  const known = new Map<string, { kind: 'file' | 'folder' | 'implied'; name: string }>();

  const addParents = (name: string) => {
    for (let slash = name.lastIndexOf('/'); slash > 0; slash = name.lastIndexOf('/', slash - 1)) {
      const parent = name.slice(0, slash);
      const holder = known.get(folded(parent));
      if (holder?.kind === 'file') {
        throw invalid(`the archive has ${quoted(name)} inside of ${quoted(holder.name)}, which is a file`);
      }
      // The parents of a known folder are known already.
      if (holder !== undefined) return;
      known.set(folded(parent), { kind: 'implied', name: parent });
    }
  };

  return {
    add(entryName) {
      const isFolder = entryName.endsWith('/');
      const name = isFolder ? entryName.slice(0, -1) : entryName;
      const fault = nameFault(name);
      if (fault !== undefined) throw invalid(`the entry name ${quoted(entryName)} ${fault}`);
      const holder = known.get(folded(name));
      if (holder !== undefined && !(isFolder && holder.kind === 'implied')) {
        throw invalid(`the archive has ${quoted(entryName)} twice, or two names that differ only in case`, {
          name: entryName,
          other: holder.name,
        });
      }
      known.set(folded(name), { kind: isFolder ? 'folder' : 'file', name });
      addParents(name);
    },
  };
};
