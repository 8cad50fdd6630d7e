/** The certificate of a simulated process: what it says, and whether an authority of the fleet issued it. */
import type { KeyObject } from 'node:crypto';
import { validFrom } from '../../src/identity/authority-files.ts';
import type { CertificateIssuer } from '../../src/identity/issuer.ts';
import type { PresentedCertificate } from '../../src/identity/judged-peer.ts';
import type { PeerIdentity } from '../../src/identity/peer-identity.ts';

export const FLEET = 'simulated';
/** Names the one authority of a run. */
const AUTHORITY_SHA256 = 'a0'.repeat(32);

export type Passport = PresentedCertificate & {
  readonly identity: PeerIdentity;
  /** False for one that its bearer has made. */
  readonly isOfFleet: boolean;
};

export const issuePassport = (
  identity: PeerIdentity,
  publicKey: KeyObject,
  {
    fromMs,
    lifeMs,
    revokedMs,
  }: { readonly fromMs: number; readonly lifeMs: number; readonly revokedMs?: number | undefined },
): Passport => ({ identity, publicKey, isOfFleet: true, ...validFrom(fromMs, lifeMs, revokedMs) });

/** The authority's key, as a Nexus has it. */
export const passportIssuer = ({
  nowMs,
  lifeMs,
}: {
  readonly nowMs: () => number;
  readonly lifeMs: number;
}): CertificateIssuer => ({
  fleet: FLEET,
  authoritySha256: AUTHORITY_SHA256,
  authoritiesPem: () => '',
  issue(identity, _publicKey, { revokedMs, fromMs = nowMs() }) {
    const validity = validFrom(fromMs, lifeMs, revokedMs);
    return {
      certificatePem: JSON.stringify({ identity, ...validity }),
      notAfterMs: validity.notAfterMs,
    };
  },
});

/** For the key that asked for it. */
export const readPassport = (certificatePem: string, publicKey: KeyObject): Passport => ({
  ...JSON.parse(certificatePem),
  publicKey,
  isOfFleet: true,
});
