import { randomUUID } from 'node:crypto';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { adminKeyPaths, makeAdminKey } from '../../identity/admin-key.ts';
import { AUTHORITY_LIFE_MS, createAuthority, validFrom } from '../../identity/authority-files.ts';
import { FleetName } from '../../identity/peer-identity.ts';
import { usageError } from '../output/failure.ts';
import { factLines } from '../output/table.ts';
import { type CommonOptions, present, type Session, withCommonOptions } from '../session/session.ts';

type InitOptions = CommonOptions & { readonly out: string; readonly fleet?: string };

export const addIdentityInit = (parent: Command, session: Session): void => {
  withCommonOptions(
    parent
      .command('init')
      .description('make the authority of a fleet, which issues the certificates of its processes')
      .requiredOption(
        '--out <directory>',
        'where to write them: ca.pem and admin-key.pub.pem, and ca-key.pem and admin-key.pem, which have to stay secret',
      )
      .option('--fleet <name>', 'name of the fleet in certificates (a random one)'),
    'tuf-depot identity init --fleet prod.example.org --out fleet-ca',
  ).action(async (options: InitOptions) => {
    const directory = resolve(session.directory, options.out);
    const validity = validFrom(session.clock.nowMs(), AUTHORITY_LIFE_MS);
    const authority = await createAuthority(directory, parseFleet(options.fleet), validity);
    const adminKey = await makeAdminKey(directory);
    const { keyFile, publicKeyFile } = adminKeyPaths(directory);
    const data = {
      ...{ fleet: authority.fleet, ca_file: authority.certificateFile },
      ...{ admin_key_file: keyFile, admin_public_key_file: publicKeyFile, admin_key: adminKey.digest },
    };
    present(session, options, data, () => [
      ...factLines(
        [
          ['fleet', authority.fleet],
          ['authority', authority.certificateFile],
          ['admin key', keyFile],
          ['its SHA-256', adminKey.digest],
        ],
        session.terminal.outStyle,
      ),
      '',
      `Keep ${directory} off the machines of the fleet, and back it up. Move the admin key to where a person keeps it: sleds believe what it signs, even against a Nexus. Give its public part, ${publicKeyFile}, to Nexus (identity.admin_key_file) and sleds (trust.admin_key_files).`,
      'Next, issue a certificate for each process:',
      `  tuf-depot identity issue nexus --ca ${options.out} --out nexus-1`,
      `  tuf-depot identity issue sled --serial SERIAL --ca ${options.out} --out sled-1`,
    ]);
  });
};

const parseFleet = (name: string | undefined): string => {
  if (name === undefined) return randomUUID();
  const parsed = FleetName.safeParse(name);
  if (parsed.success) return parsed.data;
  throw usageError(
    `${name} is not a name of a fleet`,
    `it ${parsed.error.issues[0]?.message ?? 'is invalid'}`,
  );
};
