/**
 * Which signatures count beyond those of the specification: one value, from a configuration to every threshold.
 *
 *     accept_rsa_pkcs1v15 of a configuration, --accept-rsa-pkcs1v15 of a command ─▶ SignaturePolicy ─▶ requireThreshold()
 *
 * SGP1. A process judges by its own configuration alone. No other process widens what counts here: a policy that came with
 *       the metadata, or from a Nexus, would let the sender decide which signatures prove its word.
 */
export type SignaturePolicy = {
  /** RSASSA-PKCS1-v1_5 (KY4). */
  readonly rsaPkcs1v15: 'accepted' | 'refused';
};

/** The default everywhere. */
export const SPECIFIED_SIGNATURES: SignaturePolicy = { rsaPkcs1v15: 'refused' };

/** For reading what a person compares or a policy judges later, and for telling why a narrower policy refuses. */
export const ALL_SIGNATURES: SignaturePolicy = { rsaPkcs1v15: 'accepted' };

/** @param accepts the setting of a configuration or a command */
export const signaturePolicy = (accepts: boolean | undefined): SignaturePolicy =>
  accepts === true ? ALL_SIGNATURES : SPECIFIED_SIGNATURES;

/** Whether what counts under `narrow` counts under `wide`. */
export const isCovered = (narrow: SignaturePolicy, wide: SignaturePolicy): boolean =>
  narrow.rsaPkcs1v15 === 'refused' || wide.rsaPkcs1v15 === 'accepted';

/** Where the policy of each program is, for errors. */
export const WHERE_ACCEPTED =
  'accept_rsa_pkcs1v15 = true in [trust] of nexus.toml and of each sled-agent.toml; --accept-rsa-pkcs1v15 of a command such as repo verify';
