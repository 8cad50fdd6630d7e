import { resolve } from 'node:path';
import type { Command } from 'commander';
import { spooledFile } from '../../lib/spooled-file.ts';
import { openRelease } from '../../signing/opened-release.ts';
import { republish } from '../../signing/republish.ts';
import { collected, roleExpiry } from '../arguments/role-options.ts';
import { SIGNATURE_OPTION, type SignatureOption, signaturesOf } from '../arguments/signature-option.ts';
import { type CommonOptions, present, type Session, withCommonOptions } from '../session/session.ts';
import { assembledData, assembledLines } from '../signing/assembled-data.ts';
import { createKeyFiles } from '../signing/key-files.ts';

type SignOptions = CommonOptions &
  SignatureOption & {
    readonly out: string;
    readonly key: readonly string[];
    readonly role: readonly string[];
    readonly expiresInDays: string;
  };

export const addRepoSign = (parent: Command, session: Session): void => {
  withCommonOptions(
    parent
      .command('sign')
      .description(
        'sign the metadata of a release archive anew, before it expires; its artifacts do not change',
      )
      .argument('<archive>', 'the archive; it is not changed')
      .requiredOption('--out <file>', 'the archive to write')
      .requiredOption('--key <file>', 'PEM key of signed roles; may be repeated', collected)
      .option(
        '--role <role>',
        'only this role and those that list it; may be repeated; by default all but root',
        collected,
        [],
      )
      .option('--expires-in-days <days>', 'until the new signatures expire', '365')
      .option(...SIGNATURE_OPTION),
    'tuf-depot repo sign release-1.2.0.zip --role timestamp --key online.pem --expires-in-days 30 --out renewed.zip',
  ).action(async (archive: string, options: SignOptions) => {
    const { directory, clock, signal } = session;
    const keys = await createKeyFiles(directory).readAll(options.key);
    const nowMs = clock.nowMs();
    await using file = await spooledFile(resolve(directory, archive), session);
    const openOptions = { signal, name: archive, signatures: signaturesOf(options) };
    await using opened = await openRelease(file.path, openOptions);
    const roles = options.role.length > 0 ? options.role : ['timestamp', 'snapshot', ...opened.roles.keys()];
    const expiresMs = roleExpiry([options.expiresInDays], nowMs).targets;
    const request = { keys, nowMs, expiresMs, outputPath: resolve(directory, options.out) };
    const signed = await republish(opened, { sign: new Set(roles) }, request, { signal });
    const data = { ...assembledData(signed, keys), signed_roles: roles };
    present(session, options, data, () => assembledLines(options.out, signed, keys));
  });
};
