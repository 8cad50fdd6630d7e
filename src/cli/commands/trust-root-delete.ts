import type { Command } from 'commander';
import type { TrustRootId } from '../../core/ids.ts';
import { rootDigestOf } from '../../tuf/root-digest.ts';
import { ADMIN_KEY_OPTION, type AdminKeyOptions } from '../connection/admin-key-file.ts';
import { withRemoteOptions } from '../connection/connection.ts';
import { type Depot, withDepot } from '../connection/depot-client.ts';
import { findSigner, hasAdminKey, type Signer, sendStatement } from '../connection/statements.ts';
import { present, type Session } from '../session/session.ts';
import { parseTrustRootId } from './trust-root-show.ts';

export const addTrustRootDelete = (parent: Command, session: Session): void => {
  withRemoteOptions(
    parent
      .command('delete')
      .description(
        'stop trusting a root; Nexus keeps the releases that are recorded, and with the admin key sleds withhold those that only this root vouches for',
      )
      .argument('<id>')
      .option(...ADMIN_KEY_OPTION),
    'tuf-depot trust-root delete 5f0c7c52-3a1e-4b44-9d0e-0a51b0a5a1c7',
  ).action(async (text: string, options: AdminKeyOptions) => {
    const id = parseTrustRootId(text);
    const done = await withDepot(session, options, depot => deleteRoot(session, options, depot, id));
    const { digests, statement_ids, hasKey } = done;
    present(session, options, { deleted: id, root_sha256s: digests, statement_ids }, () => [
      `Nexus accepts no new release under trust root ${id}.`,
      ...(statement_ids.length > 0 ? signedLines(digests) : unsignedLines(digests, hasKey)),
    ]);
  });
};

/** Every root of the chain is distrusted: a sled may have pinned a part of it alone. */
const deleteRoot = async (
  session: Session,
  options: AdminKeyOptions,
  depot: Depot,
  id: TrustRootId,
): Promise<{
  readonly digests: readonly string[];
  readonly statement_ids: readonly string[];
  readonly hasKey: boolean;
}> => {
  const params = { trust_root_id: id };
  const { roots } = await depot.sources.trustRootChain({ params });
  const digests = roots.map(({ root }) => rootDigestOf(Buffer.from(root)));
  const { known, signer } = await findSigner(session, options, depot);
  // Before the deletion: if a statement is refused, the command can be run again.
  const statement_ids = signer === undefined ? [] : await distrust(depot, signer, digests, session);
  await depot.updates.trustRootDelete({ params });
  return { digests, statement_ids, hasKey: hasAdminKey(known) };
};

const distrust = async (
  depot: Depot,
  signer: Signer,
  digests: readonly string[],
  { clock }: Pick<Session, 'clock'>,
): Promise<readonly string[]> => {
  const ids: string[] = [];
  for (const rootSha256 of digests) {
    const content = { kind: 'distrust_root', rootSha256 } as const;
    ids.push((await sendStatement(depot, signer, content, clock.nowMs())).id);
  }
  return ids;
};

const signedLines = (digests: readonly string[]): readonly string[] => [
  'Signed with the admin key, and told to every sled, that its roots do not count:',
  ...digests.map(digest => `  ${digest}`),
  'Sleds withhold the releases that only these roots vouch for, also those that are here, until an admin exempts them: tuf-depot repo exempt VERSION',
  'To undo: tuf-depot trust-root add FILE, and for each other root above tuf-depot statement sign trust-root SHA256',
];

const unsignedLines = (digests: readonly string[], hasKey: boolean): readonly string[] => [
  'Sleds that have pinned it go on believing it: no admin key was found to sign that it does not count.',
  ...(hasKey
    ? digests.map(digest => `  to end that: tuf-depot statement sign distrust-root ${digest}`)
    : ['This fleet has no admin key: end that on the machine of each sled, in trust.json and [trust].']),
];
