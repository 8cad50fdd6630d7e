import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { ReleaseFormat } from '../../core/release.ts';
import { assembleRelease } from '../../signing/assemble.ts';
import { distinctKeys, type RepositoryKeys } from '../../signing/sign-metadata.ts';
import { TOP_LEVEL_ROLES } from '../../tuf/role-names.ts';
import { byRole, collected, roleExpiry, roleThresholds, roleValues } from '../arguments/role-options.ts';
import { parseVersion } from '../arguments/versions.ts';
import { usageError } from '../output/failure.ts';
import { type CommonOptions, present, type Session, withCommonOptions } from '../session/session.ts';
import { assembledData, assembledLines } from '../signing/assembled-data.ts';
import { createKeyFiles, type KeyFiles, parseKeyType } from '../signing/key-files.ts';
import { planManifestDelegations } from '../signing/manifest-delegations.ts';
import { filesRelease, type ReleaseInput, readManifest } from '../signing/release-manifest.ts';
import {
  extendRootChain,
  keysOfRoot,
  type RootChain,
  readRootChain,
  startRootChain,
} from '../signing/root-chain.ts';

const FORMATS = ['v2', 'v1', 'plain'] as const satisfies readonly ReleaseFormat[];

type AssembleOptions = CommonOptions & {
  readonly out: string;
  readonly key: readonly [string, ...string[]];
  readonly keyType: string;
  readonly threshold: readonly string[];
  readonly root?: string;
  readonly rotateRoot?: true;
  readonly oldKey: readonly string[];
  readonly release?: string;
  readonly manifest?: string;
  readonly format: string;
  readonly expiresInDays: readonly string[];
};

const EXAMPLES = `tuf-depot repo assemble --release 1.2.0 --key signing.pem --out release-1.2.0.zip build/*.img
tuf-depot repo assemble --manifest release.toml --root roots --key root=a.pem --key root=b.pem \\
    --threshold root=2 --key online.pem --out release.zip
tuf-depot repo assemble --manifest release.toml --root roots --rotate-root --old-key a.pem \\
    --key root=c.pem --key online.pem --out release.zip`;

export const addRepoAssemble = (parent: Command, session: Session): void => {
  withCommonOptions(
    parent
      .command('assemble')
      .description('assemble and sign a release archive from files; for tests, demos and small teams')
      .argument('[files...]', 'the artifacts, with --release')
      .requiredOption('--out <file>', 'the archive to write')
      .requiredOption(
        '--key <[role=]file>',
        'PEM key that signs all roles, or one; may be repeated; created if it does not exist',
        collected,
      )
      .option('--key-type <type>', 'of created keys: ed25519, ecdsa-p256 or rsa-pss', 'ed25519')
      .option('--threshold <[role=]number>', 'how many of the keys must sign', collected, [])
      .option(
        '--root <path>',
        'root.json of earlier releases, or a folder of N.root.json; created if it does not exist (by default the key file + .root.json)',
      )
      .option('--rotate-root', 'make the next root, with these keys and thresholds, in the folder --root')
      .option('--old-key <file>', 'with --rotate-root: a previous root key; may be repeated', collected, [])
      .option('--release <version>', 'system version of the release')
      .option(
        '--manifest <file>',
        'TOML manifest with system_version and [[artifact]] tables, instead of files',
      )
      .option('--format <format>', 'v2, v1 or plain', 'v2')
      .option(
        '--expires-in-days <[role=]days>',
        'until the signatures expire; 365 by default',
        collected,
        [],
      ),
    EXAMPLES,
  ).action((files: string[], options: AssembleOptions) => assemble(files, options, session));
};

const assemble = async (
  files: readonly string[],
  options: AssembleOptions,
  session: Session,
): Promise<void> => {
  const { directory, clock, signal, terminal } = session;
  const { delegations, ...input } = await readInput(files, options, directory);
  const format = parseFormat(options.format);
  const expiresMs = roleExpiry(options.expiresInDays, clock.nowMs());
  const keyFiles = createKeyFiles(directory, parseKeyType(options.keyType));
  const rootPath = resolve(directory, options.root ?? `${firstKeyFile(options)}.root.json`);
  const { chain, keys } = await prepareKeys(options, keyFiles, rootPath, {
    expiresMs: expiresMs.root,
    consistentSnapshot: format !== 'v2',
  });
  const plan = await planManifestDelegations(delegations, keyFiles, keys.targets);
  if (chain.written !== undefined)
    terminal.note(`wrote its root to ${chain.written}; recipients of the release have to trust it`);
  for (const made of keyFiles.made())
    terminal.note(`created the signing key ${made}; keep it safe and secret`);

  // Versions in seconds rise each time, without a file that stores the last one.
  const version = Math.floor(clock.nowMs() / 1000);
  const assembled = await assembleRelease(
    {
      ...input,
      format,
      keys,
      delegations: plan,
      expiresMs,
      versions: { timestamp: version, snapshot: version, targets: version },
      rootChain: chain.roots,
      outputPath: resolve(directory, options.out),
    },
    { signal },
  );
  const used = distinctKeys([
    ...TOP_LEVEL_ROLES.flatMap(role => keys[role].keys),
    ...(plan === undefined
      ? []
      : plan.kind === 'roles'
        ? plan.roles.flatMap(role => role.signers.keys)
        : plan.signers.keys),
  ]);
  const data = { ...assembledData(assembled, used), root_file: chain.written ?? rootPath };
  present(session, options, data, () => assembledLines(options.out, assembled, used));
};

const readInput = async (
  files: readonly string[],
  { release, manifest }: AssembleOptions,
  directory: string,
): Promise<ReleaseInput> => {
  if (manifest !== undefined) {
    if (files.length > 0 || release !== undefined) {
      throw usageError('--manifest excludes --release and files', 'leave them out');
    }
    return readManifest(resolve(directory, manifest));
  }
  if (release === undefined || files.length === 0) {
    throw usageError('nothing to assemble', 'give --release VERSION and files, or --manifest FILE');
  }
  return filesRelease(parseVersion(release), files, directory);
};

const firstKeyFile = ({ key: [first, ...others] }: AssembleOptions): string =>
  roleValues([first, ...others]).root[0] ?? first;

/** The keys of each role: those given for a new root, those of the root for an existing one. */
const prepareKeys = async (
  options: AssembleOptions,
  keyFiles: KeyFiles,
  rootPath: string,
  root: { readonly expiresMs: number; readonly consistentSnapshot: boolean },
): Promise<{ chain: RootChain; keys: RepositoryKeys }> => {
  const kept = await readRootChain(rootPath);
  const files = roleValues(options.key);
  if (kept !== undefined && options.rotateRoot !== true) {
    if (options.threshold.length > 0)
      throw usageError(`${rootPath} sets its own thresholds`, 'use --rotate-root to make a root with others');
    const ring = await keyFiles.readAll(Object.values(files).flat());
    return { chain: { roots: kept.all, written: undefined }, keys: keysOfRoot(kept.newest, ring) };
  }
  const keys = await chosenKeys(files, roleThresholds(options.threshold), keyFiles);
  if (kept === undefined) {
    if (options.rotateRoot === true)
      throw usageError(`${rootPath} has no root to rotate`, 'leave out --rotate-root for the first root');
    return { chain: await startRootChain(rootPath, { ...root, keys }), keys };
  }
  const ring = [...keys.root.keys, ...(await keyFiles.readExisting(options.oldKey))];
  return { chain: await extendRootChain(rootPath, kept, { ...root, keys }, ring), keys };
};

const chosenKeys = async (
  files: ReturnType<typeof roleValues>,
  thresholds: ReturnType<typeof roleThresholds>,
  keyFiles: KeyFiles,
): Promise<RepositoryKeys> => {
  const keys = byRole(() => [] as Awaited<ReturnType<KeyFiles['readAll']>>);
  for (const role of TOP_LEVEL_ROLES) {
    if (files[role].length === 0)
      throw usageError(`there is no key for ${role}`, `give --key FILE for all roles, or --key ${role}=FILE`);
    keys[role] = distinctKeys(await keyFiles.readAll(files[role]));
    if (keys[role].length < thresholds[role])
      throw usageError(
        `${thresholds[role]} keys must sign ${role}, but it has ${keys[role].length}`,
        `repeat --key, or lower --threshold ${role}=`,
      );
  }
  return byRole(role => ({ keys: keys[role], threshold: thresholds[role] }));
};

const parseFormat = (text: string): ReleaseFormat => {
  const format = FORMATS.find(each => each === text);
  if (format === undefined) throw usageError(`${text} is not a format`, `use ${FORMATS.join(', ')}`);
  return format;
};
