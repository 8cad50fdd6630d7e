import type { Command } from 'commander';
import { DEFAULT_TOKEN_LIFE_S, MAX_TOKEN_LIFE_S } from '../../api/operator-access-api.ts';
import { OPERATOR_ROLES, OperatorRole } from '../../core/operator-role.ts';
import { durationMs } from '../arguments/duration.ts';
import { type RemoteOptions, withRemoteOptions } from '../connection/connection.ts';
import { withDepot } from '../connection/depot-client.ts';
import { usageError } from '../output/failure.ts';
import { present, type Session } from '../session/session.ts';

const DAY_S = 86_400;

type CreateOptions = RemoteOptions & {
  readonly role: string;
  readonly for?: string;
  readonly description?: string;
};

export const addTokenCreate = (parent: Command, session: Session): void => {
  withRemoteOptions(
    parent
      .command('create')
      .description(
        'create a token for a person or a program; it is printed once, on standard output, and only its hash is stored',
      )
      .requiredOption(
        '--role <role>',
        'viewer reads, operator changes, admin also decides whom the fleet trusts',
      )
      .option('--for <time>', `how long it is valid, such as 12h or 30d (${DEFAULT_TOKEN_LIFE_S / DAY_S}d)`)
      .option('--description <text>', 'who has it, and what for'),
    'tuf-depot token create --role viewer --for 365d --description "monitoring" > monitoring-token',
  ).action(async (options: CreateOptions) => {
    const role = parseRole(options.role);
    const { description } = options;
    const body = {
      role,
      ...(description !== undefined && { description }),
      ...(options.for !== undefined && { expires_in_s: parseLife(options.for) }),
    };
    const created = await withDepot(session, options, depot => depot.access.tokenCreate({ body }));
    present(session, options, created, () => [created.token]);
    session.terminal.note(
      `Token ${created.id} has the role ${created.role} until ${created.time_expires}. It is not shown again.`,
    );
  });
};

const parseRole = (text: string): OperatorRole => {
  const role = OperatorRole.safeParse(text);
  if (role.success) return role.data;
  throw usageError(`${text} is not a role`, `use one of ${OPERATOR_ROLES.join(', ')}`);
};

const parseLife = (text: string): number => {
  const ms = durationMs(text);
  if (ms !== undefined && ms >= 60_000 && ms <= MAX_TOKEN_LIFE_S * 1000) return Math.round(ms / 1000);
  throw usageError(
    `--for ${text} is not a time that a token may be valid`,
    `give 60s to ${MAX_TOKEN_LIFE_S / DAY_S}d, such as 12h or 30d`,
  );
};
