/**
 * A recovery of the generation, as a person reads it: what was found, what would be done, what would be let go of,
 * and what to do, in that order.
 */
import type { GenerationRecovery, RecoverySledView } from '../../api/operator-recovery-api.ts';
import { count } from './quantities.ts';
import { words } from './state.ts';
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
        `There is nothing to recover: no sled is found ahead of the database, which is at generation ${recovery.generation}.`,
        ...table(terminal, recovery.sleds.filter(isNotable)),
      ];
    case 'done':
      return [
        `${style.good('Recovered')}: the generation was ${recovery.generation} and is ${recovery.to}.`,
        ...table(terminal, recovery.sleds.filter(isNotable)),
        '',
        'Sleds follow the database as they are told of it; see: tuf-depot status',
      ];
    case 'needed':
    case 'blocked':
      return [
        `${style.warn('Recovery is needed')}: the database is at generation ${recovery.generation}, and sleds have gone on from there or hold something else.`,
        ...table(terminal, recovery.sleds),
        ...consequenceLines(recovery, style),
        ...instructionLines(recovery, style),
      ];
    default:
      return recovery.state satisfies never;
  }
};

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
            { title: '', cell: sled => words(sled.state) + (sled.excluded ? ', excluded' : '') },
            { title: 'GEN', cell: sled => String(sled.generation ?? '-'), align: 'right' },
            { title: 'UNKNOWN', cell: sled => String(sled.unknown_artifacts), align: 'right' },
            { title: 'WHY', cell: sled => sled.message },
          ],
          { style: terminal.outStyle, width: terminal.outColumns() },
        ),
      ];

const consequenceLines = (recovery: GenerationRecovery, style: Style): string[] => {
  const { sleds, to, unknown_artifacts_total: unknown, deleted_artifacts_total: deleted } = recovery;
  const serials = new Map(sleds.map(sled => [sled.sled_id, sled.serial]));
  const returning = sleds.filter(({ state }) => state === 'comes_back').length;
  const shown = recovery.unknown_artifacts.slice(0, MAX_ARTIFACTS_SHOWN);
  const holders = (ids: readonly (typeof sleds)[number]['sled_id'][]) =>
    ids.map(id => printable(serials.get(id) ?? id)).join(', ');
  return [
    '',
    to === null
      ? 'The generation cannot be raised above what they claim.'
      : `To recover raises the generation to ${to}: ${count(returning, 'sled')} then ${returning === 1 ? 'takes' : 'take'} the database's config, and ${returning === 1 ? 'lets' : 'let'} go of what no present release lists.`,
    ...(unknown === 0
      ? ['Of what they hold the database knows every artifact.']
      : [
          `${style.bad(count(unknown, 'artifact'))} would be let go of that no release in the database lists:`,
          ...shown.map(({ sha256, sleds: ids }) => `  ${sha256}  ${style.dim(`on ${holders(ids)}`)}`),
          ...(unknown > shown.length ? [`  and ${unknown - shown.length} more`] : []),
        ]),
    ...(deleted === 0 ? [] : [`${count(deleted, 'artifact')} of deleted releases would go too.`]),
  ];
};

const instructionLines = (recovery: GenerationRecovery, style: Style): string[] => {
  const { sleds, obstacles, unknown_artifacts_total: unknown } = recovery;
  const excluded = sleds.filter(sled => sled.excluded).map(({ serial }) => ` --exclude ${printable(serial)}`);
  const steps = [
    'Make sure that Nexus uses the right database, and that no newer backup of it can be restored.',
    ...obstacles
      .filter(({ code }) => code !== 'RECOVERY_LOSES_ARTIFACTS')
      .map(({ code, message }) => `${printable(message)} (--exclude SLED) ${style.dim(`[${code}]`)}`),
    ...(unknown === 0
      ? []
      : [
          'Upload the releases that the database lost, before any others: tuf-depot repo upload FILE; then look again.' +
            ' What you let go of knowingly: --let-go-of-unknown-artifacts',
        ]),
    `tuf-depot recover generation --apply${excluded.join('')}`,
  ];
  return ['', 'What to do:', ...steps.map((step, index) => `  ${index + 1}. ${step}`)];
};
