import type { Command } from 'commander';
import type { SledView } from '../../api/operator-fleet-api.ts';
import { plural } from '../../core/facts/phrase.ts';
import { type Point, PointText, pointText } from '../../core/ids.ts';
import { ADMIN_KEY_OPTION, type AdminKeyOptions } from '../connection/admin-key-file.ts';
import { withRemoteOptions } from '../connection/connection.ts';
import { type Depot, withDepot } from '../connection/depot-client.ts';
import { requireSigner, sendStatement } from '../connection/statements.ts';
import { formatBytes } from '../output/quantities.ts';
import { present, type Session } from '../session/session.ts';

type AllowOptions = AdminKeyOptions & { readonly apply?: true };

type Limited = { readonly serial: string; readonly artifacts: number; readonly size_bytes: number };
type Outcome = {
  readonly points: readonly { readonly point: string; readonly sleds: readonly Limited[] }[];
  /** Of a version that does not report its point. */
  readonly without_point: readonly string[];
  /** Ids of the statements that were signed. */
  readonly statements: readonly string[];
};

export const addDeletionsAllow = (parent: Command, session: Session): void => {
  withRemoteOptions(
    parent
      .command('allow')
      .description(
        'show the deletions that the limits of sleds hold up, and with --apply allow them by a statement that the admin key signs: each sled deletes what it has pending, if it is at exactly that point',
      )
      .option('--apply', 'sign and send the statements; without it nothing changes')
      .option(...ADMIN_KEY_OPTION),
    'tuf-depot deletions allow\ntuf-depot deletions allow --apply --admin-key ~/admin-key.pem',
  ).action(async (options: AllowOptions) => {
    const outcome = await withDepot(session, options, depot => allow(session, options, depot));
    present(session, options, outcome, () => outcomeLines(outcome));
  });
};

const allow = async (session: Session, options: AllowOptions, depot: Depot): Promise<Outcome> => {
  const sleds = (await depot.allSleds()).filter(sled => sled.deletions_limited !== undefined);
  const groups = Map.groupBy(sleds, pointOf);
  const points = [...groups].flatMap(([point, at]) =>
    point === undefined ? [] : [{ point, sleds: at.map(limitedOf) }],
  );
  const found = { points, without_point: (groups.get(undefined) ?? []).map(({ serial }) => serial) };
  if (options.apply !== true || points.length === 0) return { ...found, statements: [] };
  const signer = await requireSigner(session, options, depot);
  const statements: string[] = [];
  for (const { point } of points) {
    const content = { kind: 'allow_deletion', point: parsePoint(point) } as const;
    statements.push((await sendStatement(depot, signer, content, session.clock.nowMs())).id);
  }
  return { ...found, statements };
};

const parsePoint = (text: string): Point => PointText.parse(text);

const pointOf = ({ generation, config_digest: digest }: SledView): string | undefined =>
  generation === null || digest === undefined ? undefined : pointText({ generation, digest });

const limitedOf = ({ serial, deletions_limited: limited }: SledView): Limited => ({
  serial,
  artifacts: limited?.artifacts ?? 0,
  size_bytes: limited?.size_bytes ?? 0,
});

const outcomeLines = ({ points, without_point: others, statements }: Outcome): string[] => {
  const lines = points.flatMap(({ point, sleds }) => [
    `At point ${point}:`,
    ...sleds.map(
      ({ serial, artifacts, size_bytes: bytes }) =>
        `  ${serial}: ${plural(artifacts, 'artifact')}, ${formatBytes(bytes)}`,
    ),
  ]);
  const unnamed =
    others.length === 0
      ? []
      : [
          `These sleds do not report their point: ${others.join(', ')}. On their machines: tuf-depot sled-agent allow-deletion.`,
        ];
  if (points.length === 0)
    return ['No deletion is held up by the limit of a sled that reports its point.', ...unnamed];
  return [
    ...lines,
    ...unnamed,
    statements.length === 0
      ? 'Nothing was changed. Compare a point with that of a sled that you trust, then run it again with --apply to allow these deletions.'
      : `They are allowed by ${plural(statements.length, 'statement')}: ${statements.join(', ')}. Each sled deletes them within a minute, unless a release lists them again.`,
  ];
};
