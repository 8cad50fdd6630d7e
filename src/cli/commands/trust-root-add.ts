import { resolve } from 'node:path';
import type { Command } from 'commander';
import { ALL_SIGNATURES, isCovered, SPECIFIED_SIGNATURES } from '../../tuf/signature-policy.ts';
import { ADMIN_KEY_OPTION, type AdminKeyOptions } from '../connection/admin-key-file.ts';
import { withRemoteOptions } from '../connection/connection.ts';
import { withDepot } from '../connection/depot-client.ts';
import { sendStatement, signerIfNeeded } from '../connection/statements.ts';
import { printable } from '../output/style.ts';
import { present, type Session } from '../session/session.ts';
import { describeRoot, rootLines } from '../trust/root-description.ts';
import { readRootFile } from '../trust/root-file.ts';

/** The operator sees it where the release is trusted, and not only where it is withheld. */
const UNSPECIFIED =
  'Its signatures are of the scheme RSASSA-PKCS1-v1_5: a sled counts them only with accept_rsa_pkcs1v15 = true in [trust] of its sled-agent.toml.';

export const addTrustRootAdd = (parent: Command, session: Session): void => {
  withRemoteOptions(
    parent
      .command('add')
      .description(
        'trust a root: a root.json, or the newest root in a release archive; prints the keys that it trusts',
      )
      .argument('<file>', 'root.json or archive')
      .option(...ADMIN_KEY_OPTION),
    'tuf-depot trust-root add release-1.2.0.zip',
  ).action(async (file: string, options: AdminKeyOptions) => {
    const root = await readRootFile(resolve(session.directory, file), 'newest', {
      ...session,
      signatures: ALL_SIGNATURES, // Nexus and the sleds decide, each by its own policy
    });
    const isSpecified = isCovered(root.signatures, SPECIFIED_SIGNATURES);
    const body: unknown = JSON.parse(new TextDecoder().decode(root.bytes));
    const { added, statement } = await withDepot(session, options, async depot => {
      // Before the change: without the signature no sled would believe it.
      const signer = await signerIfNeeded(session, options, depot);
      const content = { kind: 'trust_root', rootSha256: root.digest } as const;
      const create = () => depot.updates.trustRootCreate({ body });
      // A Nexus that refuses these signatures does so before anything is stated.
      const early = isSpecified ? undefined : await create();
      const statement = signer && (await sendStatement(depot, signer, content, session.clock.nowMs()));
      return { added: early ?? (await create()), statement };
    });
    const style = session.terminal.outStyle;
    present(
      session,
      options,
      {
        ...added,
        sha256: root.sha256,
        root_sha256: root.digest,
        ...(statement && { statement_id: statement.id }),
      },
      () => [
        `Trusted from now on: ${printable(root.source)}`,
        ...rootLines(describeRoot(body), style, [['trust root', style.bold(added.id)]]),
        ...(statement === undefined
          ? []
          : [
              `Signed with the admin key ${statement.key.slice(0, 12)}: statement ${statement.id}, which Nexus tells every sled.`,
            ]),
        'Releases signed by these keys will be accepted.',
        ...(isSpecified ? [] : [UNSPECIFIED]),
        'Compare the keys with those that the signer publishes.',
        `To undo: tuf-depot trust-root delete ${added.id}`,
      ],
    );
  });
};
