/**
 * The versions of each API, which a request names in the header `api-version`. They stand here alone: the documents, the servers
 * and the clients have them from here, and docs/compatibility.md lists them.
 *
 * AV1. A request that names no version is one of the newest. A version that a server does not know is refused, with those that it
 *      knows: who names one relies on its shapes.
 * AV2. Additions are optional fields and new routes, so that one handler serves every known version.
 * AV3. Servers of the original refuse requests between processes that name no version. Operators' clients of this project name
 *      none, so that they work with older and newer Nexuses.
 */
export const API_VERSION_HEADER = 'api-version';

export type ApiVersion = {
  /** Of the contract as this project has it: in its document, and in the requests of its clients. */
  readonly contract: string;
  /** What a server serves, the newest first. */
  readonly known: readonly [string, ...string[]];
  /** Whether clients of this project name it (AV3). */
  readonly isNamed: boolean;
};

export const SLED_AGENT_VERSION: ApiVersion = { contract: '48.0.0', known: ['48.0.0'], isNamed: true };
export const REPO_DEPOT_VERSION: ApiVersion = { contract: '1.0.0', known: ['1.0.0'], isNamed: true };
export const NEXUS_INTERNAL_VERSION: ApiVersion = { contract: '1.0.0', known: ['1.0.0'], isNamed: true };
export const OPERATOR_VERSION: ApiVersion = {
  contract: '2026081901.0.0',
  // That of the contract, and those that the published clients name (Rust, Go, TypeScript), whose update operations have its shapes:
  // before 2026052000 a status has no contact_support, before 2026022500 nobody ends a recovery.
  known: [
    '2026091500.0.0',
    '2026081901.0.0',
    '2026073100.0.0',
    '2026060800.0.0',
    '2026032500.0.0',
    '2026021301.0.0',
  ],
  isNamed: false,
};
export const TASK_VERSION: ApiVersion = { contract: '0.0.1', known: ['0.0.1'], isNamed: false };

/** What a client adds to the headers of a request. */
export const versionHeader = ({ contract, isNamed }: ApiVersion): Readonly<Record<string, string>> =>
  isNamed ? { [API_VERSION_HEADER]: contract } : {};
