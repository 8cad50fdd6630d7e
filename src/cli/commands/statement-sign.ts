import type { Command } from 'commander';
import { z } from 'zod';
import { PointText, Sha256Hex } from '../../core/ids.ts';
import { MAX_ACCEPTED_POINTS, type StatementContent } from '../../core/statement.ts';
import { ADMIN_KEY_OPTION, type AdminKeyOptions } from '../connection/admin-key-file.ts';
import { withRemoteOptions } from '../connection/connection.ts';
import { withDepot } from '../connection/depot-client.ts';
import { requireSigner, sendStatement } from '../connection/statements.ts';
import { usageError } from '../output/failure.ts';
import { present, type Session } from '../session/session.ts';

const Identity = z
  .string()
  .regex(/^(nexus|sled)\/[0-9a-f-]{36}$/, 'must be nexus/ID or sled/ID')
  .transform(text => {
    const [kind, id] = text.split('/') as ['nexus' | 'sled', string];
    return { kind, id: z.guid().parse(id) };
  });

/** By its word on the command line. */
const contents: Readonly<Record<string, (about: readonly string[]) => StatementContent>> = {
  'allow-deletion': about => ({ kind: 'allow_deletion', point: one(about, PointText) }),
  'accept-points': about => ({
    kind: 'accept_points',
    points: z.array(PointText).min(1).max(MAX_ACCEPTED_POINTS).parse(about),
  }),
  'trust-root': about => ({ kind: 'trust_root', rootSha256: one(about, Sha256Hex) }),
  'distrust-root': about => ({ kind: 'distrust_root', rootSha256: one(about, Sha256Hex) }),
  'restore-identity': about => ({ kind: 'restore_identity', identity: one(about, Identity) }),
};

const one = <T>(about: readonly string[], schema: z.ZodType<T>): T =>
  schema.parse(z.tuple([z.string()]).parse(about)[0]);

export const addStatementSign = (parent: Command, session: Session): void => {
  withRemoteOptions(
    parent
      .command('sign')
      .description(
        'sign a statement by hand: distrust-root SHA256, trust-root SHA256, restore-identity sled/ID, accept-points POINT…, allow-deletion POINT. Other commands sign what belongs to them',
      )
      .argument('<kind>', Object.keys(contents).join(', '))
      .argument(
        '<about...>',
        'the SHA-256 of a root as trust-root list shows it, GENERATION:DIGEST, nexus/ID or sled/ID',
      )
      .option(...ADMIN_KEY_OPTION),
    'tuf-depot statement sign restore-identity sled/6e1f6d9b-2f8e-4f0e-9d5f-3f1d9d7c0f10',
  ).action(async (kind: string, about: readonly string[], options: AdminKeyOptions) => {
    const content = parseContent(kind, about);
    const sent = await withDepot(session, options, async depot =>
      sendStatement(depot, await requireSigner(session, options, depot), content, session.clock.nowMs()),
    );
    present(session, options, sent, () => [
      `Statement ${sent.id} is recorded: ${sent.subject}. Nexus tells every sled.`,
    ]);
  });
};

const parseContent = (kind: string, about: readonly string[]): StatementContent => {
  const parse = contents[kind];
  if (parse === undefined)
    throw usageError(`${kind} is no kind of statement`, `kinds: ${Object.keys(contents).join(', ')}`);
  try {
    return parse(about);
  } catch (error) {
    const [issue] = error instanceof z.ZodError ? error.issues : [];
    throw usageError(`${kind} ${about.join(' ')}: it ${issue?.message ?? 'is invalid'}`);
  }
};
