import type { Command } from 'commander';
import { removeLogin } from '../connection/logins.ts';
import { type CommonOptions, present, type Session, withCommonOptions } from '../session/session.ts';

export const addLogout = (parent: Command, session: Session): void => {
  withCommonOptions(
    parent
      .command('logout')
      .description(
        'forget a login of this machine, with its token, which stays valid until it expires or is revoked',
      )
      .argument('[fleet]', 'name of the fleet (that of the last login)'),
    'tuf-depot logout prod.example.org',
  ).action(async (fleet: string | undefined, options: CommonOptions) => {
    const { name, token_id: id } = await removeLogin(fleet, session.environment);
    present(session, options, { fleet: name, token_id: id ?? null }, () => [`Logged out of ${name}.`]);
    if (id !== undefined)
      session.terminal.note(`Its token is valid as before. To end it: tuf-depot token revoke ${id}`);
  });
};
