import { resolve } from 'node:path';
import type { Command } from 'commander';
import { type RemoteOptions, withRemoteOptions } from '../connection/connection.ts';
import { withDepot } from '../connection/depot-client.ts';
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
      .argument('<file>', 'root.json or archive'),
    'tuf-depot trust-root add release-1.2.0.zip',
  ).action(async (file: string, options: RemoteOptions) => {
    const root = await readRootFile(resolve(session.directory, file), 'newest', session);
    const body: unknown = JSON.parse(new TextDecoder().decode(root.bytes));
    const added = await withDepot(session, options, depot => depot.updates.trustRootCreate({ body }));
    const style = session.terminal.outStyle;
    present(session, options, { ...added, sha256: root.sha256 }, () => [
      `Trusted from now on: ${printable(root.source)}`,
      ...rootLines(describeRoot(body), style, [
        ['trust root', style.bold(added.id)],
        ['root SHA-256', root.sha256],
      ]),
      'Releases signed by these keys will be accepted.',
      'Compare the keys with those that the signer publishes.',
      `To undo: tuf-depot trust-root delete ${added.id}`,
    ]);
  });
};
