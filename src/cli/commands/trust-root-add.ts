import { resolve } from 'node:path';
import type { Command } from 'commander';
import { ADMIN_KEY_OPTION, type AdminKeyOptions } from '../connection/admin-key-file.ts';
import { withRemoteOptions } from '../connection/connection.ts';
import { withDepot } from '../connection/depot-client.ts';
import { sendStatement, signerIfNeeded } from '../connection/statements.ts';
import { printable } from '../output/style.ts';
import { present, type Session } from '../session/session.ts';
import { describeRoot, rootLines } from '../trust/root-description.ts';
import { readRootFile } from '../trust/root-file.ts';

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
    const root = await readRootFile(resolve(session.directory, file), 'newest', session);
    const body: unknown = JSON.parse(new TextDecoder().decode(root.bytes));
    const { added, statement } = await withDepot(session, options, async depot => {
      // Before the change: without the signature no sled would believe it.
      const signer = await signerIfNeeded(session, options, depot);
      const content = { kind: 'trust_root', rootSha256: root.digest } as const;
      const statement = signer && (await sendStatement(depot, signer, content, session.clock.nowMs()));
      return { added: await depot.updates.trustRootCreate({ body }), statement };
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
        'Compare the keys with those that the signer publishes.',
        `To undo: tuf-depot trust-root delete ${added.id}`,
      ],
    );
  });
};
