/** A guarantee that did not hold in a run. */

export type Guarantee =
  | 'G1'
  | 'G2'
  | 'G3'
  | 'G4'
  | 'G5'
  | 'G6'
  | 'G7'
  | 'G8'
  | 'T1'
  | 'T2'
  | 'T3'
  | 'T4'
  | 'reasons'
  | 'bounds'
  | 'bug';

export const GUARANTEES: Readonly<Record<Guarantee, string>> = {
  G1: 'converge',
  G2: 'never backwards',
  G3: 'clean up',
  G4: 'never lose the last copy',
  G5: 'right bytes',
  G6: 'monotone',
  G7: 'any mix is fine',
  G8: 'one sled never stops the others',
  T1: 'who is not of the fleet, or revoked, is not heard',
  T2: 'each route serves its audience alone',
  T3: 'no unsigned byte',
  T4: 'a deletion waits',
  reasons: 'everything that makes no progress has a reason',
  bounds: 'transfers in flight are bounded',
  bug: 'no fault of the program itself',
};

export type Violation = { readonly guarantee: Guarantee; readonly message: string; readonly atMs: number };

export type Fail = (guarantee: Guarantee, message: string) => void;
