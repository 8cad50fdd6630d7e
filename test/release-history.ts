/**
 * What clients asked of releases and when, to be compared with what there is at the end: uploads and deletions of one
 * release are as of a register, and the end has to be explained by some order of them that time allows.
 */
export type ReleaseAct = {
  readonly version: string;
  readonly kind: 'upload' | 'delete';
  readonly begunMs: number;
  /** Infinity until it is answered. Without a certain answer it is when it can have been done at the latest. */
  endedMs: number;
  /** Refused is done nothing. */
  outcome: 'done' | 'maybe' | 'refused';
};

/** @returns why `isPresent` cannot be, or undefined */
export const contradiction = (
  acts: readonly ReleaseAct[],
  version: string,
  isPresent: boolean,
): string | undefined => {
  const own = acts.filter(act => act.version === version && act.outcome !== 'refused');
  const [makes, undoes] = isPresent ? (['upload', 'delete'] as const) : (['delete', 'upload'] as const);
  const undone = own.filter(act => act.kind === undoes && act.outcome === 'done');
  const made = own.filter(act => act.kind === makes);
  // Absent is also what was never uploaded.
  const startsSo = !isPresent && undone.length === 0;
  const isExplained = startsSo || made.some(make => undone.every(undo => undo.begunMs <= make.endedMs));
  if (isExplained) return undefined;
  const last = undone.at(-1);
  return `release ${version} is ${isPresent ? 'present' : 'absent'} at the end, but its last ${undoes} was answered and no ${makes} came after it (${undone.length} ${undoes}s, ${made.length} ${makes}s, the last ${undoes} from ${last?.begunMs.toFixed(0)} to ${last?.endedMs.toFixed(0)} ms)`;
};
