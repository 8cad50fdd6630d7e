/**
 * A recovery of the generation, for people: the findings, the artifacts that would be deleted, and the steps, in that order.
 */
import type { GenerationRecovery, RecoverySledView } from '../../api/operator-recovery-api.ts';
import type { NewerWord } from '../../api/wire.ts';
import { plural, spaced } from '../../core/facts/phrase.ts';
import { shortPoint } from '../../core/lineage.ts';
import { printable, type Style } from './style.ts';
import { tableLines } from './table.ts';
import type { Terminal } from './terminal.ts';

/** Artifacts shown to people; more are in the JSON. */
const MAX_ARTIFACTS_SHOWN = 10;

export const recoveryLines = (terminal: Terminal, recovery: GenerationRecovery): string[] => {
  const style = terminal.outStyle;
  switch (recovery.state) {
    case 'not_needed':
      return [
        `There is nothing to recover: the database, at generation ${recovery.generation}, knows every config that counts.`,
        ...pendingLines(recovery, style),
        ...table(terminal, recovery.sleds.filter(isNotable)),
      ];
    case 'done':
      return [
        `${style.good('Recovered')}: the generation was ${recovery.generation} and is ${recovery.to}; ${becameKnown(recovery)}`,
        ...invitationLines(recovery),
        ...pendingLines(recovery, style),
        ...table(terminal, recovery.sleds.filter(isNotable)),
        '',
        'Sleds follow the database again from their next config on. Check with: tuf-depot status',
      ];
    case 'needed':
    case 'blocked':
      return [
        `${style.warn('Recovery is needed')}: sleds hold configs that the database, at generation ${recovery.generation}, does not know. It was restored, or lost commits in a failover.`,
        ...table(terminal, recovery.sleds),
        ...pendingLines(recovery, style),
        ...pointLines(recovery, style),
        ...undecidedLines(recovery, style),
        ...instructionLines(recovery, style),
      ];
    default:
      return [
        `The state of the recovery is ${recovery.state satisfies NewerWord}, which this version of tuf-depot does not know: use the version of the Nexus to decide on it.`,
        ...table(terminal, recovery.sleds),
        ...pendingLines(recovery, style),
      ];
  }
};

/** RG2: only configs whose content a sled reported are decided on. */
const isGiven = ({ artifacts }: GenerationRecovery['points'][number]): boolean => artifacts !== null;

const becameKnown = ({ points }: GenerationRecovery): string =>
  points.length === 0
    ? 'the audit log has an entry that explains which of its entries the database lost.'
    : `${plural(points.filter(isGiven).length, 'point')} of another history became known.`;

const invitationLines = ({ invitations_ended: ended = 0 }: GenerationRecovery): string[] =>
  ended === 0
    ? []
    : [
        `${plural(ended, 'unused invitation is', 'unused invitations are')} ended, since this database may have forgotten their use. Invite or approve again the machines that still have to join.`,
      ];

/** RI4. */
const pendingLines = ({ pending_sleds: pending = [] }: GenerationRecovery, style: Style): string[] =>
  pending.length === 0
    ? []
    : [
        '',
        `${style.warn(plural(pending.length, 'sled'))} with a certificate of this fleet and a config registered at this Nexus, and the database does not know them. Each keeps its artifacts, and may hold configs that are not among these:`,
        ...pending.map(
          ({ id, serial, address }) =>
            `  ${printable(serial)}  ${id}  ${style.dim(printable(address))}  tuf-depot sled approve ${id}`,
        ),
      ];

const isNotable = ({ state }: RecoverySledView): boolean => state !== 'agrees';

const table = (terminal: Terminal, sleds: readonly RecoverySledView[]): string[] =>
  sleds.length === 0
    ? []
    : [
        '',
        ...tableLines(
          sleds,
          [
            { title: 'SLED', cell: sled => sled.serial, paint: terminal.outStyle.bold },
            { title: '', cell: sled => spaced(sled.state) + (sled.excluded ? ', excluded' : '') },
            { title: 'GEN', cell: sled => String(sled.generation ?? '-'), align: 'right' },
            { title: 'WHY', cell: sled => withRemedy(sled) },
          ],
          { style: terminal.outStyle, width: terminal.outColumns() },
        ),
      ];

const withRemedy = ({ message, remedy }: { message: string; remedy?: string | undefined }): string =>
  remedy === undefined ? message : `${message} ${remedy}`;

const pointLines = ({ points, sleds }: GenerationRecovery, style: Style): string[] => {
  const serials = new Map(sleds.map(sled => [sled.sled_id, sled.serial]));
  return [
    '',
    `${plural(points.length, 'config')} of another history:`,
    ...points.map(({ generation, config_digest: digest, artifacts, sleds: ids }) => {
      const set = artifacts === null ? 'no sled reported its content' : plural(artifacts, 'artifact');
      const holders = ids.map(id => printable(serials.get(id) ?? id)).join(', ');
      return `  ${shortPoint({ generation, digest })}  ${set}  ${style.dim(`on ${holders}`)}`;
    }),
  ];
};

const undecidedLines = (recovery: GenerationRecovery, style: Style): string[] => {
  const { undecided_artifacts_total: total, undecided_artifacts: listed } = recovery;
  // Without a reported set, nothing is known about its artifacts.
  if (total === 0)
    return recovery.points.some(isGiven)
      ? ['A present release lists each artifact of the reported configs.']
      : [];
  const shown = listed.slice(0, MAX_ARTIFACTS_SHOWN);
  return [
    `${style.bad(plural(total, 'artifact'))} of these would be deleted, since no present release lists them:`,
    ...shown.map(({ sha256, state }) => {
      const why = state === 'deleted' ? 'its release was deleted' : 'of a release that the database has lost';
      return `  ${sha256}  ${style.dim(why)}`;
    }),
    ...(total > shown.length ? [`  and ${total - shown.length} more`] : []),
  ];
};

const instructionLines = (recovery: GenerationRecovery, style: Style): string[] => {
  const { sleds, obstacles, undecided_artifacts_total: undecided } = recovery;
  const excluded = sleds.filter(sled => sled.excluded).map(({ serial }) => ` --exclude ${printable(serial)}`);
  const steps = [
    'Make sure that Nexus uses the right database, and that no newer backup of it can be restored.',
    ...obstacles
      .filter(({ code }) => code !== 'RECOVERY_LOSES_ARTIFACTS')
      .map(obstacle => `${printable(withRemedy(obstacle))} ${style.dim(`[${obstacle.code}]`)}`),
    ...(undecided === 0
      ? []
      : [
          'Upload the releases that the database lost: tuf-depot repo upload FILE; then run this command again.' +
            ' Give up by name what may be deleted: --give-up SHA256, --give-up VERSION of a deleted release, or --give-up GENERATION:DIGEST for all of a config',
        ]),
    `tuf-depot recover generation --apply${excluded.join('')}`,
  ];
  return ['', 'What to do:', ...steps.map((step, index) => `  ${index + 1}. ${step}`)];
};
