/** The configuration files of a local fleet's processes, written anew at each start: addresses may have changed. */
import { stringify } from 'smol-toml';
import type { IdentityFiles } from '../identity/credentials.ts';
import { writeFileDurably } from '../lib/durable-file.ts';
import type { FleetPaths, NexusPaths, SledPaths } from './data-directory.ts';

/** The file has the URL of the database, possibly with a password. */
const MODE = 0o600;

const ACCEPTING = { accept_rsa_pkcs1v15: true };

export type Addresses = readonly [first: string, second: string];

export const writeNexusConfig = (
  paths: NexusPaths,
  fleet: FleetPaths,
  options: {
    readonly listen: Addresses;
    readonly identity: IdentityFiles;
    readonly adminKeyFile: string | undefined;
    readonly databaseUrl: string;
    readonly acceptsRsaPkcs1v15: boolean;
    readonly minSledReplication: number;
  },
): Promise<void> =>
  writeToml(paths.config, {
    staging_directory: paths.staging,
    operator_listen: options.listen[0],
    internal_listen: options.listen[1],
    token_file: fleet.tokenFile,
    ready_file: paths.readyFile,
    identity: {
      ...identitySection(options.identity),
      ...(options.adminKeyFile !== undefined && { admin_key_file: options.adminKeyFile }),
    },
    ...(options.acceptsRsaPkcs1v15 && { trust: ACCEPTING }),
    database: { url: options.databaseUrl },
    tuf_artifact_replication: { min_sled_replication: options.minSledReplication },
  });

export const writeSledConfig = (
  paths: SledPaths,
  options: {
    readonly listen: Addresses;
    readonly identity: IdentityFiles;
    readonly adminKeyFile: string | undefined;
    readonly nexusAddresses: readonly string[];
    readonly acceptsRsaPkcs1v15: boolean;
  },
): Promise<void> =>
  writeToml(paths.config, {
    serial: paths.name,
    listen: options.listen[0],
    depot_listen: options.listen[1],
    nexus: [...options.nexusAddresses],
    datasets: [...paths.datasets],
    ready_file: paths.readyFile,
    identity: identitySection(options.identity),
    trust: {
      ...(options.adminKeyFile !== undefined && { admin_key_files: [options.adminKeyFile] }),
      ...(options.acceptsRsaPkcs1v15 && ACCEPTING),
    },
    // A local fleet is for trials: what is deleted goes at once.
    limits: { deletion_percent: 100 },
    intervals: { deletion_wait_s: 0 },
  });

const identitySection = ({ certificateFile, keyFile, authoritiesFile }: IdentityFiles) => ({
  certificate_file: certificateFile,
  key_file: keyFile,
  ca_file: authoritiesFile,
});

const writeToml = (path: string, content: Record<string, unknown>): Promise<void> =>
  writeFileDurably(
    path,
    `# Written by tuf-depot at each start of this fleet; changes are lost.\n${stringify(content)}\n`,
    { mode: MODE },
  );
