/** The colours of states, the same everywhere: good, converging, wrong. */
import { spaced } from '../../core/facts/phrase.ts';
import type { Style } from './style.ts';
import type { Column } from './table.ts';

const GOOD = new Set(['ok', 'complete', 'safe', 'alive', 'in_service', 'held', 'valid']);
const ON_THE_WAY = new Set([
  'replicating',
  'converging',
  'busy',
  'not_yet_asked',
  'unknown',
  'degraded',
  'full',
]);

/** How to paint the name of a state. */
export const stateStyle = (style: Style, state: string | null | undefined): ((text: string) => string) => {
  if (state === null || state === undefined) return style.dim;
  if (GOOD.has(state)) return style.good;
  return ON_THE_WAY.has(state) ? style.warn : style.bad;
};

/** A column of states: each is spaced and painted. */
export const stateColumn = <Row>(
  style: Style,
  title: string,
  stateOf: (row: Row) => string,
): Column<Row> => ({
  title,
  cell: row => spaced(stateOf(row)),
  paint: (text, row) => stateStyle(style, stateOf(row))(text),
});
