/** The section `[identity]` of a configuration file. */
import { z } from 'zod';
import { DepotError } from '../lib/errors.ts';
import type { IdentityFiles } from './credentials.ts';

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
