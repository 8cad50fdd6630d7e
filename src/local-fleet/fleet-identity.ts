/**
 * The identities of a local fleet: one authority in its data directory, and a certificate for each process, renewed while
 * the fleet runs.
 *
 * FI1. A process of an existing directory keeps its id: a Nexus the one in its staging directory, a sled the one that
 *      follows from its name.
 * FI2. A new fleet has an admin key, which its sleds pin. One from before has none, also where it has no identity yet: its sleds would
 *      believe none of the trust roots and releases that they have, until a person signed each.
 */
import { randomUUID } from 'node:crypto';
import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { adminKeyPaths, makeAdminKey } from '../identity/admin-key.ts';
import {
  AUTHORITY_LIFE_MS,
  CERTIFICATE_LIFE_MS,
  createAuthority,
  type FleetAuthority,
  issuedIdentity,
  issueToDirectory,
  openAuthority,
  validFrom,
} from '../identity/authority-files.ts';
import type { IdentityFiles } from '../identity/credentials.ts';
import { derivedSledId, GENERIC_PART } from '../identity/derived-sled-id.ts';
import type { PeerIdentity, PeerKind } from '../identity/peer-identity.ts';
import type { FleetPaths, NexusPaths, SledPaths } from './data-directory.ts';

const RENEWAL_PERIOD_MS = 86_400_000;

export type FleetIdentity = AsyncDisposable & {
  readonly authoritiesFile: string;
  /** The public part; the person who runs the fleet has the other one beside it. Undefined in a directory from before (FI2). */
  readonly adminKeyFile: string | undefined;
  readonly nexus: (paths: NexusPaths) => Promise<IdentityFiles>;
  readonly sled: (paths: SledPaths) => Promise<IdentityFiles>;
};

/** Disposing ends the renewals. @param onFault gets a failed renewal, which the next day repeats */
export const openFleetIdentity = async (
  { identity: directory, nexus }: FleetPaths,
  onFault: (error: unknown) => void,
): Promise<FleetIdentity> => {
  const known = await openAuthority(directory);
  const adminKey = adminKeyPaths(directory);
  const isNew = known === undefined && !(await isThere(nexus(1).staging));
  const hasAdminKey = isNew || (await isThere(adminKey.keyFile));
  // Before the authority: a start that ends between both is still one of a new fleet.
  if (hasAdminKey) await makeAdminKey(directory);
  const authority =
    known ?? (await createAuthority(directory, randomUUID(), validFrom(Date.now(), AUTHORITY_LIFE_MS)));
  const issued: { readonly identity: PeerIdentity; readonly directory: string }[] = [];
  const issue = async (kind: PeerKind, id: string, place: string): Promise<IdentityFiles> => {
    const identity = { fleet: authority.fleet, kind, id };
    issued.push({ identity, directory: place });
    return await issueNow(authority, { identity, directory: place });
  };
  const renew = async (): Promise<void> => {
    for (const each of issued) await issueNow(authority, each);
  };
  const timer = setInterval(() => void renew().catch(onFault), RENEWAL_PERIOD_MS);
  timer.unref();
  return {
    authoritiesFile: authority.certificateFile,
    adminKeyFile: hasAdminKey ? adminKey.publicKeyFile : undefined,
    nexus: async ({ identity, staging }) =>
      issue('nexus', (await idOf(identity)) ?? (await idInStaging(staging)) ?? randomUUID(), identity),
    sled: async ({ identity, name }) =>
      issue('sled', (await idOf(identity)) ?? derivedSledId(GENERIC_PART, name), identity),
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
    },
  };
};

const isThere = (file: string): Promise<boolean> =>
  access(file).then(
    () => true,
    () => false,
  );

const issueNow = (
  authority: FleetAuthority,
  process: { readonly identity: PeerIdentity; readonly directory: string },
): Promise<IdentityFiles> =>
  issueToDirectory(authority, { ...process, validity: validFrom(Date.now(), CERTIFICATE_LIFE_MS) });

const idOf = async (directory: string): Promise<string | undefined> => (await issuedIdentity(directory))?.id;

/** Undefined before the first start; what is damaged, the Nexus itself refuses. */
const idInStaging = async (staging: string): Promise<string | undefined> => {
  const text = await readFile(join(staging, 'nexus-id'), 'utf8').catch(() => '');
  return /^[0-9a-f-]{36}$/.exec(text.trim())?.[0];
};
