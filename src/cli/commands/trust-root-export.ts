import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { METADATA_FOLDER } from '../../archive/release-folders.ts';
import { createArchiveWriter } from '../../archive/writer.ts';
import type { DiskFile } from '../../lib/disk.ts';
import { cannotWrite } from '../../lib/disk-errors.ts';
import { createNewFile } from '../../lib/durable-file.ts';
import { namedFilesDisk } from '../../lib/real-disk.ts';
import { type RemoteOptions, withRemoteOptions } from '../connection/connection.ts';
import { withDepot } from '../connection/depot-client.ts';
import { present, type Session } from '../session/session.ts';
import { parseTrustRootId } from './trust-root-show.ts';

type ExportOptions = RemoteOptions & { readonly out: string; readonly output?: string };

export const addTrustRootExport = (parent: Command, session: Session): void => {
  withRemoteOptions(
    parent
      .command('export')
      .description('write every root of a trust root into an archive, for a site that is behind')
      .argument('<id>')
      .option('--out <file>', 'the archive; it must not exist', 'roots.zip')
      // Of an earlier version.
      .addOption(new Option('--output <file>').hideHelp()),
    'tuf-depot trust-root export 5f0c7c52-3a1e-4b44-9d0e-0a51b0a5a1c7 --out roots.zip\n' +
      'tuf-depot repo upload roots.zip',
  ).action(async (id: string, options: ExportOptions) => {
    const params = { trust_root_id: parseTrustRootId(id) };
    const { roots } = await withDepot(session, options, depot => depot.sources.trustRootChain({ params }));
    const output = options.output ?? options.out;
    await writeRoots(
      resolve(session.directory, output),
      roots.map(({ version, root }) => ({ version, bytes: Buffer.from(root) })),
    );
    const versions = roots.map(({ version, expires }) => ({ version, expires }));
    present(session, options, { output, roots: versions }, () => [
      `${output}: root ${versions[0]?.version} to ${versions.at(-1)?.version}; the last expires ${versions.at(-1)?.expires}`,
    ]);
  });
};

const writeRoots = async (
  path: string,
  roots: readonly { readonly version: number; readonly bytes: Uint8Array }[],
): Promise<void> => {
  const write = async (file: Pick<DiskFile, 'write'>): Promise<void> => {
    let position = 0;
    const writer = createArchiveWriter({
      async write(bytes) {
        await file.write(bytes, position);
        position += bytes.length;
      },
    });
    for (const { version, bytes } of roots)
      await writer.addBytes(`${METADATA_FOLDER}${version}.root.json`, bytes);
    await writer.finish();
  };
  await createNewFile(path, write, { disk: namedFilesDisk }).catch((cause: unknown) => {
    throw cannotWrite(path, cause);
  });
};
