/**
 * What a machine that joins is to pin: the key of administrators, and the chains of roots of the signers of releases (T3).
 *
 *     invitation ─▶ digests in the token ─▶ by the hands of a person ─▶ join ─▶ keys and chains in the answer ─▶ compared there
 *
 * FPN1. The token has the digests, so a Nexus that lies when the machine joins can withhold, and cannot exchange.
 */
import { type AdminKeys, publicKeyPem } from '../../identity/admin-key.ts';
import { type InvitedPins, MAX_INVITED_ROOTS } from '../../identity/invitation-token.ts';
import { rootChainsBody } from '../../sled-wire/release-trust.ts';
import { rootDigestOf } from '../../tuf/root-digest.ts';
import type { TrustRootPort } from '../datastore/ports/trust-root-port.ts';
import type { Wait } from '../datastore/ports/verb.ts';
import { trustRootChains } from '../releases/upload/check-archive.ts';

type Deps = {
  readonly datastore: Pick<TrustRootPort, 'trustRootList' | 'trustRootChain'>;
  readonly adminKeys: AdminKeys;
};

export type FleetPins = {
  /** For a token: the first key, and the newest roots of the first signers. */
  readonly named: (wait: Wait) => Promise<InvitedPins>;
  readonly offered: (wait: Wait) => Promise<{
    /** PEM. */
    readonly adminKeys: readonly string[];
    /** Texts, the oldest first. */
    readonly rootChains: readonly (readonly string[])[];
  }>;
};

/** A fleet has a few signers, and a token names four of them. */
const MAX_OFFERED = 16;

export const createFleetPins = ({ datastore, adminKeys }: Deps): FleetPins => ({
  async named(wait) {
    const { items } = await datastore.trustRootList({ limit: MAX_INVITED_ROOTS }, wait);
    return {
      adminKeySha256: adminKeys.list()[0]?.digest,
      rootsSha256: items.map(({ rootBytes }) => rootDigestOf(rootBytes)),
    };
  },
  async offered(wait) {
    const { items } = await datastore.trustRootList({ limit: MAX_OFFERED }, wait);
    const chains = await trustRootChains(datastore, items, wait.signal);
    return {
      adminKeys: adminKeys.list().map(publicKeyPem),
      rootChains: rootChainsBody(chains.map(({ chain }) => chain)).chains,
    };
  },
});

/** Names nothing, as a Nexus of the version before. */
export const NO_FLEET_PINS: Pick<FleetPins, 'offered'> = {
  offered: async () => ({ adminKeys: [], rootChains: [] }),
};
