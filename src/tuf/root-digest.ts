/**
 * The digest by which a root is known: in statements of administrators, invitations and pinned chains, and to people who compare.
 *
 *     text of a root ─▶ its `signed` part ─▶ canonical JSON ─▶ SHA-256
 *
 * RDG1. White space, the order of members and the signatures do not matter: a file of people, and the text that Nexus records and tells,
 *      are one root. What its keys sign is what it says, so two roots with one digest trust the same keys.
 */
import { createHash } from 'node:crypto';
import { type Metadata, parseMetadata } from './metadata.ts';

/** In hex. */
export const rootDigest = ({ signedBytes }: Pick<Metadata<'root'>, 'signedBytes'>): string =>
  createHash('sha256').update(signedBytes).digest('hex');

/**
 * Of a root that need not be trusted, nor sign itself.
 *
 * @throws DepotError `METADATA_INVALID`
 */
export const rootDigestOf = (bytes: Uint8Array): string => rootDigest(parseMetadata('root', bytes));
