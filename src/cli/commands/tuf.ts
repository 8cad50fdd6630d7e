/**
 * A standalone TUF client, without a fleet: follows a repository from a trusted root, and downloads targets.
 *
 * The command line and the stored files are those of the public conformance suite for TUF clients: options stand
 * before the verb, metadata lies under unversioned names, and a failure exits with 1.
 */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { ErrorCode } from '../../lib/error-codes.ts';
import { DepotError } from '../../lib/errors.ts';
import { makeDirectories } from '../../lib/real-disk.ts';
import { createHttpSource } from '../../source/http-source.ts';
import type { TrustedMetadata } from '../../tuf/trusted-set.ts';
import { initialize, refreshClient, type TufClient } from '../../tuf-client/client.ts';
import { type MetadataDirectory, openMetadataDirectory } from '../../tuf-client/metadata-directory.ts';
import { SIGNATURE_OPTION, type SignatureOption, signaturesOf } from '../arguments/signature-option.ts';
import { usageError } from '../output/failure.ts';
import { printable } from '../output/style.ts';
import { type CommonOptions, present, type Session, withCommonOptions } from '../session/session.ts';
import { readRootFile } from '../trust/root-file.ts';

type TufOptions = CommonOptions &
  SignatureOption & {
    readonly metadataDir?: string;
    readonly metadataUrl?: string;
    readonly targetName: readonly string[];
    readonly targetBaseUrl?: string;
    readonly targetDir?: string;
  };

const EXAMPLES = {
  init: 'tuf-depot tuf --metadata-dir trusted init root.json',
  refresh: 'tuf-depot tuf --metadata-dir trusted --metadata-url https://example.com/metadata refresh',
  download: `tuf-depot tuf --metadata-dir trusted --metadata-url https://example.com/metadata \\
    --target-name file.txt --target-base-url https://example.com/targets --target-dir . download`,
};

const verbHelp = (verb: keyof typeof EXAMPLES): string =>
  `\nOptions stand before the verb, --json among them: tuf-depot tuf --help.\n\nExample:\n  $ ${EXAMPLES[verb]}`;

export const addTuf = (parent: Command, session: Session): void => {
  const tuf = withCommonOptions(
    parent
      .command('tuf')
      .description('a standalone TUF client: follow a repository, download verified targets')
      .option('--metadata-dir <dir>', 'where trusted metadata is kept')
      .option('--metadata-url <url>', 'the address of the metadata of the repository')
      .option('--target-name <name>', 'a target to download; may be repeated', collect, [])
      .option('--target-base-url <url>', 'the address of the targets of the repository')
      .option('--target-dir <dir>', 'where targets are stored')
      .option(...SIGNATURE_OPTION),
    Object.values(EXAMPLES).join('\n'),
  );
  const options = (): TufOptions => tuf.opts<TufOptions>();
  tuf
    .command('init')
    .description('trust a root.json; contacts no server')
    .argument('<root>', 'the root.json to trust')
    .addHelpText('after', verbHelp('init'))
    .action((root: string) => runInit(session, options(), root));
  tuf
    .command('refresh')
    .description('bring the trusted metadata up to date')
    .addHelpText('after', verbHelp('refresh'))
    .action(() => runRefresh(session, options()));
  tuf
    .command('download')
    .description('refresh, then download the named targets in order')
    .addHelpText('after', verbHelp('download'))
    .action(() => runDownload(session, options()));
};

const collect = (value: string, values: readonly string[]): readonly string[] => [...values, value];

const runInit = async (session: Session, options: TufOptions, rootPath: string): Promise<void> => {
  const { bytes } = await readRootFile(resolve(session.directory, rootPath), 'newest', {
    ...session,
    signatures: signaturesOf(options),
  });
  await using store = await openMetadata(session, options);
  const version = await initialize(store, bytes, signaturesOf(options));
  present(session, options, { root: version }, () => [`root version ${version} is trusted`]);
};

const runRefresh = async (session: Session, options: TufOptions): Promise<void> => {
  await withClient(session, options, { targets: undefined }, async client => {
    const { versions } = trustedFacts(client.trusted());
    present(session, options, { versions }, () =>
      Object.entries(versions).map(([role, version]) => `${printable(role)} version ${version}`),
    );
  });
};

const runDownload = async (session: Session, options: TufOptions): Promise<void> => {
  const directory = resolve(session.directory, required(options.targetDir, '--target-dir'));
  const targets = required(options.targetBaseUrl, '--target-base-url');
  if (options.targetName.length === 0)
    throw usageError('--target-name is missing', 'give --target-name NAME before the verb');
  await withClient(session, options, { targets }, async client => {
    const downloaded: object[] = [];
    for (const name of options.targetName) {
      const { path, sizeBytes, wasThere } = await client.download(name, directory, session);
      downloaded.push({ name, path, size_bytes: sizeBytes, was_there: wasThere });
      session.terminal.note(`${printable(name)}: ${wasThere ? 'there already' : `${sizeBytes} bytes`}`);
    }
    present(session, options, { targets: downloaded }, () => [`${downloaded.length} verified`]);
  });
};

const withClient = async (
  session: Session,
  options: TufOptions,
  { targets }: { readonly targets: string | undefined },
  work: (client: TufClient) => Promise<void>,
): Promise<void> => {
  const metadataUrl = required(options.metadataUrl, '--metadata-url');
  await using store = await openMetadata(session, options);
  await using source = createHttpSource({
    metadataUrl,
    targetsUrl: targets ?? metadataUrl,
    signal: session.signal,
  });
  try {
    await work(
      await refreshClient({ store, source, nowMs: session.clock.nowMs(), signatures: signaturesOf(options) }),
    );
  } catch (cause) {
    session.signal.throwIfAborted();
    if (!(cause instanceof DepotError)) throw cause;
    const remedy = remedies[cause.code];
    const detail = { ...cause.detail, ...(remedy !== undefined && { remedy }) };
    throw new DepotError(cause.code, metadataUrl, { cause, detail });
  }
};

/** Remedies of a client, which has fewer options than the operator of a fleet. */
const remedies: Partial<Record<ErrorCode, string>> = {
  NO_TRUST_ROOT: 'tuf-depot tuf --metadata-dir DIR init ROOT.JSON',
  UNTRUSTED_SIGNATURES: 'nothing was accepted; ask the operator of the repository, through another channel',
  METADATA_EXPIRED: 'check the clock of this machine; if it is right, the repository has to be signed again',
  METADATA_ROLLBACK: 'nothing was accepted; ask the operator of the repository why it rolled back',
  PEER_UNREACHABLE:
    'check the address, and HTTPS_PROXY if a proxy is needed; the trusted metadata did not change',
};

const openMetadata = async (session: Session, { metadataDir }: TufOptions): Promise<MetadataDirectory> => {
  const directory = resolve(session.directory, required(metadataDir, '--metadata-dir'));
  await makeDirectories(directory);
  return openMetadataDirectory(directory);
};

const required = (value: string | undefined, option: string): string => {
  if (value === undefined) throw usageError(`${option} is missing`, 'give it before the verb');
  return value;
};

const trustedFacts = ({ versions }: TrustedMetadata) => {
  const { delegated = new Map<string, number>(), ...topLevel } = versions;
  return { versions: { ...topLevel, ...Object.fromEntries(delegated) } };
};
