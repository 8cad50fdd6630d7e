import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { ReleaseFormat } from '../../core/release.ts';
import { writeFileDurably } from '../../lib/durable-file.ts';
import { type AssembledRelease, assembleRelease } from '../../release/assemble.ts';
import { keysForAllRoles } from '../../release/sign-metadata.ts';
import {
  generateSigningKey,
  readSigningKey,
  type SigningKey,
  writeSigningKey,
} from '../../release/signing-keys.ts';
import { usageError } from '../output/failure.ts';
import { count, formatBytes } from '../output/quantities.ts';
import { filesRelease, type ReleaseInput, readManifest } from '../release-manifest.ts';
import { type CommonOptions, present, type Session, withCommonOptions } from '../session.ts';
import { parseVersion } from '../versions.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
const FORMATS = ['v2', 'v1', 'plain'] as const satisfies readonly ReleaseFormat[];

type AssembleOptions = CommonOptions & {
  readonly out: string;
  readonly key: string;
  readonly root?: string;
  readonly release?: string;
  readonly manifest?: string;
  readonly format: string;
  readonly expiresInDays: string;
};

export const addRepoAssemble = (parent: Command, session: Session): void => {
  withCommonOptions(
    parent
      .command('assemble')
      .description('assemble and sign a release archive from files; for tests, demos and small teams')
      .argument('[files...]', 'files to be artifacts, with --release')
      .requiredOption('--out <file>', 'the archive to write')
      .requiredOption('--key <file>', 'PEM key that signs all roles; made if it is not there')
      .option(
        '--root <file>',
        'root.json of earlier releases; made if it is not there (the key file + .root.json)',
      )
      .option('--release <version>', 'system version of the release')
      .option(
        '--manifest <file>',
        'TOML manifest with system_version and [[artifact]] tables, instead of files',
      )
      .option('--format <format>', 'v2, v1 or plain', 'v2')
      .option('--expires-in-days <days>', 'until the signatures expire', '365'),
    'tuf-depot repo assemble --release 1.2.0 --key signing.pem --out release-1.2.0.zip build/*.img',
  ).action(async (files: string[], options: AssembleOptions) => {
    const input = await readInput(files, options, session.directory);
    const format = parseFormat(options.format);
    const expiresMs = session.clock.nowMs() + parseDays(options.expiresInDays) * DAY_MS;
    const keyPath = resolve(session.directory, options.key);
    const rootPath = resolve(session.directory, options.root ?? `${options.key}.root.json`);
    const { key, made } = await readOrMakeKey(keyPath);
    const knownRoot = existsSync(rootPath) ? await readFile(rootPath) : undefined;
    // Versions in seconds: higher each time, and no file to remember the last one.
    const version = Math.floor(session.clock.nowMs() / 1000);
    const assembled = await assembleRelease({
      ...input,
      format,
      keys: keysForAllRoles([key]),
      expiresMs,
      versions: { timestamp: version, snapshot: version, targets: version },
      ...(knownRoot !== undefined && { rootChain: [knownRoot] }),
      outputPath: resolve(session.directory, options.out),
    });
    if (knownRoot === undefined) await writeFileDurably(rootPath, assembled.trustRoot);
    const { terminal } = session;
    if (made) terminal.note(`made the signing key ${options.key}; keep it secret, and keep it`);
    if (knownRoot === undefined)
      terminal.note(`wrote its root to ${rootPath}; whoever takes the release has to trust it`);
    present(session, options, assembledData(assembled, key, rootPath), () => [
      `${options.out}: release ${assembled.release.systemVersion}, ` +
        `${count(assembled.release.artifacts.length, 'artifact')}, ${formatBytes(assembled.sizeBytes)}`,
      `SHA-256 ${assembled.sha256}`,
      `signed by key ${key.keyId}`,
    ]);
  });
};

const readInput = async (
  files: readonly string[],
  { release, manifest }: AssembleOptions,
  directory: string,
): Promise<ReleaseInput> => {
  if (manifest !== undefined) {
    if (files.length > 0 || release !== undefined) {
      throw usageError('--manifest says it all', 'leave out --release and the files');
    }
    return readManifest(resolve(directory, manifest));
  }
  if (release === undefined || files.length === 0) {
    throw usageError('nothing to assemble', 'give --release VERSION and files, or --manifest FILE');
  }
  return filesRelease(parseVersion(release), files, directory);
};

const readOrMakeKey = async (path: string): Promise<{ key: SigningKey; made: boolean }> => {
  if (existsSync(path)) return { key: await readSigningKey(path), made: false };
  const key = generateSigningKey();
  await writeSigningKey(path, key);
  return { key, made: true };
};

const assembledData = (
  { path, sizeBytes, sha256, release }: AssembledRelease,
  key: SigningKey,
  rootPath: string,
) => ({
  path,
  size_bytes: sizeBytes,
  sha256,
  system_version: release.systemVersion,
  format: release.format,
  artifacts: release.artifacts.map(artifact => ({
    sha256: artifact.sha256,
    size_bytes: artifact.sizeBytes,
    target_name: artifact.targetName,
    version: artifact.version,
    tags: artifact.tags,
  })),
  key_id: key.keyId,
  root_file: rootPath,
});

const parseFormat = (text: string): ReleaseFormat => {
  const format = FORMATS.find(each => each === text);
  if (format === undefined) throw usageError(`${text} is not a format`, `use ${FORMATS.join(', ')}`);
  return format;
};

/** A century is as good as for ever. */
const MAX_DAYS = 36_500;

const parseDays = (text: string): number => {
  const days = Number(text);
  if (Number.isFinite(days) && days > 0 && days <= MAX_DAYS) return days;
  throw usageError(`--expires-in-days ${text} is not a number of days`, `use 1 to ${MAX_DAYS}`);
};
