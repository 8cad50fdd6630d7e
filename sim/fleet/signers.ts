/** Who signs the releases of simulated fleets, with keys that are not secret: every run signs alike. */
import { createRoot, keysForAllRoles } from '../../src/signing/sign-metadata.ts';
import { signingKeyFromPem } from '../../src/signing/signing-keys.ts';
import { rootDigestOf } from '../../src/tuf/root-digest.ts';

export type Signer = {
  readonly keys: ReturnType<typeof keysForAllRoles>;
  readonly root: Uint8Array;
  /** By which statements name the root. */
  readonly rootSha256: string;
};

export const YEAR_2100_MS = Date.UTC(2100, 0, 1);

/** An Ed25519 key of 32 equal bytes. */
const keysOf = (byte: number): Signer['keys'] =>
  keysForAllRoles([
    signingKeyFromPem(
      `-----BEGIN PRIVATE KEY-----\n${Buffer.concat([
        Buffer.from('302e020100300506032b657004220420', 'hex'),
        Buffer.alloc(32, byte),
      ]).toString('base64')}\n-----END PRIVATE KEY-----\n`,
    ),
  ]);

const signerOf = (byte: number, version = 1): Signer => {
  const keys = keysOf(byte);
  const root = createRoot({ keys, version, expiresMs: YEAR_2100_MS, consistentSnapshot: false });
  return { keys, root, rootSha256: rootDigestOf(root) };
};

/** Every sled pins its root when it joins. */
export const PINNED_SIGNER = signerOf(1);
/** Sleds believe one of them once a person has signed for its root. */
export const OTHER_SIGNERS: readonly Signer[] = [signerOf(5), signerOf(6)];
/** Of a Nexus that lies: nobody ever signs for it. */
export const FORGER = signerOf(2);
/** It would follow the root of a signer, if that signer had signed it. */
export const FALSE_SUCCESSOR = signerOf(2, 2);
