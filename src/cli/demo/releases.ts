/** What the demo uploads: two releases of its own, or the user's archive and a successor of it. */
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { plural } from '../../core/facts/phrase.ts';
import { DepotError } from '../../lib/errors.ts';
import { chooseDemoFiles, type DemoFiles } from '../../local-fleet/demo-files.ts';
import { verifyRelease } from '../../verify/verify-release.ts';
import { formatBytes } from '../output/quantities.ts';
import type { Session } from '../session/session.ts';
import { readRootFile } from '../trust/root-file.ts';
import {
  artifactMap,
  assembleDemoReleases,
  assembleSuccessor,
  type DemoRelease,
  unshared,
} from './demo-releases.ts';
import type { Narrator } from './narrator.ts';

export type DemoReleases = { readonly first: DemoRelease; readonly second: DemoRelease };

/** The largest of the new files that follow a user's release: small beside any real one. */
const MAX_SUCCESSOR_FILE_BYTES = 32 * 1024 ** 2;

export const makeReleases = async (
  session: Session,
  narrator: Narrator,
  { userFile, directory }: { userFile: string | undefined; directory: string },
): Promise<DemoReleases> => {
  const files = await chooseDemoFiles(directory, session);
  const releases =
    userFile === undefined
      ? await assembleDemoReleases(files, directory, session.clock.nowMs())
      : await followUserRelease(session, narrator, { userFile, directory, files });
  const { first, second } = releases;
  const sharedCount = second.artifacts.size - unshared(second, first).size;
  for (const release of [first, second]) {
    narrator.say(
      `${narrator.style.bold(release.version)}  ${plural(release.artifacts.size, 'artifact')}, ${formatBytes(release.sizeBytes)}`,
    );
  }
  narrator.say(
    `${plural(sharedCount, 'artifact')} in both, ${unshared(first, second).size} in ${first.version} alone`,
  );
  return releases;
};

const followUserRelease = async (
  session: Session,
  narrator: Narrator,
  { userFile, directory, files }: { userFile: string; directory: string; files: DemoFiles },
): Promise<DemoReleases> => {
  const path = resolve(session.directory, userFile);
  const root = await readRootFile(path, 'oldest', session);
  narrator.say(
    `${narrator.style.warn('note:')} ${userFile} is verified against its own root (SHA-256 ${root.digest}),`,
  );
  narrator.say('      which proves that it is whole, not who signed it');
  const verified = await verifyRelease(
    path,
    { trustRoots: [{ id: 'its own root', bytes: root.bytes }], nowMs: session.clock.nowMs() },
    session,
  );
  const first: DemoRelease = {
    path,
    version: verified.description.systemVersion,
    sizeBytes: await sizeOf(path),
    artifacts: artifactMap(verified.description.artifacts),
  };
  const newFiles = files.secondOnly.filter(file => file.sizeBytes <= MAX_SUCCESSOR_FILE_BYTES);
  const options = { nowMs: session.clock.nowMs(), signal: session.signal };
  return { first, second: await assembleSuccessor({ path, verified }, newFiles, directory, options) };
};

const sizeOf = async (path: string): Promise<number> => {
  const { size } = await stat(path).catch((cause: unknown) => {
    throw new DepotError('IO', `cannot read ${path}`, { cause });
  });
  return size;
};

/** The disk space of the demo: archives twice (here and in staging), artifacts on both datasets of each sled. */
export const neededBytes = async (userFile: string | undefined, sleds: number): Promise<number> => {
  // The Node binary is about half of the demo's own releases.
  const ownBytes = (await stat(process.execPath)).size * 3;
  const releaseBytes = userFile === undefined ? ownBytes : (await sizeOf(userFile)) + ownBytes;
  return releaseBytes * (4 + 2 * sleds);
};
