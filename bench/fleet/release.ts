/** A release of random bytes: its artifacts as files of one folder, and signed in an archive. */
import { randomBytes } from 'node:crypto';
import { mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { type AssembledRelease, assembleRelease } from '../../src/signing/assemble.ts';
import { keysForAllRoles } from '../../src/signing/sign-metadata.ts';
import { generateSigningKey } from '../../src/signing/signing-keys.ts';

const MIB = 1024 ** 2;
/** Of the whole: 64 MiB of 235, as a host image in a release. */
const LARGEST_SHARE = 64 / 235;
const YEAR_2100_MS = Date.UTC(2100, 0, 1);

export type FleetRelease = AssembledRelease & {
  readonly systemVersion: string;
  readonly folder: string;
  readonly artifacts: number;
  /** Of all artifacts. */
  readonly artifactBytes: number;
};

/** Falling by one factor from the largest on; their sum is `totalBytes`. */
export const fallingSizes = (totalBytes: number, amount: number, largestShare = LARGEST_SHARE): number[] => {
  const share = Math.max(largestShare, 1 / amount);
  const sum = (factor: number) =>
    Array.from({ length: amount }, (_, n) => share * factor ** n).reduce((a, b) => a + b, 0);
  let [least, most] = [0, 1];
  for (let turn = 0; turn < 60; turn += 1) {
    const middle = (least + most) / 2;
    if (sum(middle) < 1) least = middle;
    else most = middle;
  }
  const sizes = Array.from({ length: amount }, (_, n) =>
    Math.max(1, Math.floor(totalBytes * share * most ** n)),
  );
  sizes[0]! += totalBytes - sizes.reduce((a, b) => a + b, 0);
  return sizes;
};

export const makeFleetRelease = async (
  directory: string,
  { mib, artifacts }: { readonly mib: number; readonly artifacts: number },
): Promise<FleetRelease> => {
  const folder = join(directory, 'artifacts');
  await mkdir(folder);
  const inputs = [];
  for (const [n, sizeBytes] of fallingSizes(mib * MIB, artifacts).entries()) {
    const targetName = `artifact-${n + 1}.bin`;
    await writeRandom(join(folder, targetName), sizeBytes);
    const tags = { kind: 'zone', name: `artifact-${n + 1}` };
    inputs.push({ targetName, version: '1.0.0', tags, path: join(folder, targetName) });
  }
  const systemVersion = '1.0.0';
  const made = await assembleRelease({
    ...{ systemVersion, format: 'v2', artifacts: inputs },
    keys: keysForAllRoles([generateSigningKey()]),
    expiresMs: YEAR_2100_MS,
    versions: { timestamp: 1, snapshot: 1, targets: 1 },
    outputPath: join(directory, 'release.zip'),
  });
  return { ...made, systemVersion, folder, artifacts, artifactBytes: mib * MIB };
};

const writeRandom = async (path: string, sizeBytes: number): Promise<void> => {
  await using file = await open(path, 'w');
  for (let written = 0; written < sizeBytes; written += MIB)
    await file.write(randomBytes(Math.min(MIB, sizeBytes - written)));
};
