/** The section `[identity]` of a configuration file. */
import { z } from 'zod';
import type { IdentityFiles } from './credentials.ts';

export const IdentitySection = z.strictObject({
  /** PEM: the certificate of this process, then those between it and an authority. */
  certificate_file: z.string().min(1),
  /** PEM. */
  key_file: z.string().min(1),
  /** PEM: the authorities whose certificates this process accepts. */
  ca_file: z.string().min(1),
});

/** @param absolute makes a path that is relative to the configuration file absolute */
export const identityFiles = (
  section: z.output<typeof IdentitySection> | undefined,
  absolute: (path: string) => string,
): IdentityFiles | undefined =>
  section && {
    certificateFile: absolute(section.certificate_file),
    keyFile: absolute(section.key_file),
    authoritiesFile: absolute(section.ca_file),
  };
