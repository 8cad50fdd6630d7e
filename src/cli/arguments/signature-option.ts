/** The option of a command that verifies by itself: its counterpart in a fleet is `accept_rsa_pkcs1v15` of [trust]. */
import { type SignaturePolicy, signaturePolicy } from '../../tuf/signature-policy.ts';

export type SignatureOption = { readonly acceptRsaPkcs1v15?: true };

export const SIGNATURE_OPTION = [
  '--accept-rsa-pkcs1v15',
  'count RSA keys of the scheme PKCS#1 v1.5 (in a fleet: accept_rsa_pkcs1v15 in [trust] of each process)',
] as const;

export const signaturesOf = ({ acceptRsaPkcs1v15 }: SignatureOption): SignaturePolicy =>
  signaturePolicy(acceptRsaPkcs1v15);
