/** The colours of states, the same everywhere: good, converging, wrong. */
import type { Style } from './style.ts';

const GOOD = new Set(['ok', 'complete', 'safe', 'alive', 'in_service', 'held']);
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
