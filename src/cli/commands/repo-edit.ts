import { resolve } from 'node:path';
import type { Command } from 'commander';
import { spooledFile } from '../../lib/spooled-file.ts';
import type { ArtifactInput } from '../../signing/assemble.ts';
import { editRelease } from '../../signing/edit.ts';
import { collected, roleExpiry } from '../arguments/role-options.ts';
import { SIGNATURE_OPTION, type SignatureOption, signaturesOf } from '../arguments/signature-option.ts';
import { parseVersion } from '../arguments/versions.ts';
import { usageError } from '../output/failure.ts';
import { type CommonOptions, present, type Session, withCommonOptions } from '../session/session.ts';
import { assembledData, assembledLines } from '../signing/assembled-data.ts';
import { createKeyFiles } from '../signing/key-files.ts';
import { fileArtifact, readManifest } from '../signing/release-manifest.ts';

type EditOptions = CommonOptions &
  SignatureOption & {
    readonly out: string;
    readonly key: readonly string[];
    readonly release?: string;
    readonly add: readonly string[];
    readonly remove: readonly string[];
    readonly manifest?: string;
    readonly expiresInDays: string;
  };

export const addRepoEdit = (parent: Command, session: Session): void => {
  withCommonOptions(
    parent
      .command('edit')
      .description('make a new release archive from an old one: add artifacts, remove artifacts')
      .argument('<archive>', 'the old archive; it is not changed')
      .requiredOption('--out <file>', 'the archive to write')
      .requiredOption('--key <file>', 'PEM key of changed roles; may be repeated', collected)
      .option('--release <version>', 'system version of the new release')
      .option('--add <[name=]file>', 'file to add as an artifact; may be repeated', collected, [])
      .option('--remove <name>', 'target name of an artifact; may be repeated', collected, [])
      .option('--manifest <file>', 'TOML manifest with system_version and [[artifact]] tables to add')
      .option('--expires-in-days <days>', 'until the new signatures expire', '365')
      .option(...SIGNATURE_OPTION),
    'tuf-depot repo edit release-1.2.0.zip --release 1.2.1 --remove os.img --add os.img=build/os.img \\\n' +
      '    --key signing.pem --out release-1.2.1.zip',
  ).action(async (archive: string, options: EditOptions) => {
    const { directory, clock, signal } = session;
    const keys = await createKeyFiles(directory).readAll(options.key);
    const nowMs = clock.nowMs();
    await using old = await spooledFile(resolve(directory, archive), session);
    const edited = await editRelease(
      old.path,
      {
        ...(await readChange(options, directory)),
        remove: options.remove,
        keys,
        nowMs,
        expiresMs: roleExpiry([options.expiresInDays], nowMs).targets,
        outputPath: resolve(directory, options.out),
      },
      { signal, name: archive, signatures: signaturesOf(options) },
    );
    present(session, options, assembledData(edited, keys), () => assembledLines(options.out, edited, keys));
  });
};

const readChange = async (
  { add, remove, manifest, release }: EditOptions,
  directory: string,
): Promise<{ systemVersion: string; add: readonly ArtifactInput[] }> => {
  if (manifest !== undefined) {
    if (release !== undefined || add.length > 0)
      throw usageError('--manifest excludes --release and --add', 'leave them out');
    const { systemVersion, artifacts, delegations } = await readManifest(resolve(directory, manifest));
    if (delegations !== undefined)
      throw usageError(
        `${manifest} has delegations, which only a new repository can have`,
        'use repo assemble',
      );
    return { systemVersion, add: artifacts };
  }
  if (release === undefined) throw usageError('the new release needs a version', 'give --release VERSION');
  if (add.length + remove.length === 0)
    throw usageError(
      'nothing to change',
      'give --add FILE or --remove NAME; to sign the same release anew: repo sign',
    );
  const artifacts: ArtifactInput[] = [];
  for (const text of add) artifacts.push(await addedArtifact(text, directory));
  return { systemVersion: parseVersion(release), add: artifacts };
};

const addedArtifact = (text: string, directory: string): Promise<ArtifactInput> => {
  const equals = text.indexOf('=');
  const path = text.slice(equals + 1);
  return fileArtifact(resolve(directory, path), equals < 0 ? undefined : text.slice(0, equals));
};
