/** The section `[identity]` of a configuration file. */
import { z } from 'zod';
import { DepotError } from '../lib/errors.ts';
import type { IdentityFiles } from './credentials.ts';
import type { PeerKind } from './peer-identity.ts';

export const IdentitySection = z.strictObject({
  /** PEM: the certificate of this process, then those between it and an authority. */
  certificate_file: z.string().min(1),
  /** PEM. */
  key_file: z.string().min(1),
  /** PEM: the authorities whose certificates this process accepts. */
  ca_file: z.string().min(1),
});

/**
 * @param absolute makes a path that is relative to the configuration file absolute
 * @param path of the configuration file, for messages
 * @throws DepotError `CONFIG_INVALID` for one file under two keys: a renewal would replace the key or the authorities
 */
export const identityFiles = (
  section: z.output<typeof IdentitySection> | undefined,
  absolute: (path: string) => string,
  path: string,
): IdentityFiles | undefined => {
  if (section === undefined) return undefined;
  const files = {
    certificateFile: absolute(section.certificate_file),
    keyFile: absolute(section.key_file),
    authoritiesFile: absolute(section.ca_file),
  };
  if (new Set(Object.values(files)).size === 3) return files;
  throw new DepotError(
    'CONFIG_INVALID',
    `${path}: identity: certificate_file, key_file and ca_file have to be three files, since a renewal replaces the first`,
  );
};

const HOW_TO_BEGIN = {
  nexus:
    'tuf-depot identity init makes the authority of a fleet, and tuf-depot identity issue nexus the files of this one; name them in [identity]',
  sled: 'name the three files in [identity], make an invitation with tuf-depot sled invite, and use it on this machine with tuf-depot sled-agent join',
} as const satisfies Record<PeerKind, string>;

/** @param path of the configuration file */
export const identityRequired = (path: string, kind: PeerKind): DepotError =>
  new DepotError(
    'IDENTITY_REQUIRED',
    `${path} has no section [identity], and every ${kind === 'nexus' ? 'Nexus' : 'sled agent'} identifies itself: ${HOW_TO_BEGIN[kind]}. For a fleet that ran without identities: docs/operations.md, "A fleet without identities is upgraded"`,
  );
