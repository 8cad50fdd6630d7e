import type { Generation } from '../../../../core/ids.ts';
import { admitRaise, type StoredGeneration } from '../../decisions/generation.ts';
import type { Query, Step } from '../state.ts';
import { presentDigest } from '../wanted.ts';

export const currentGeneration: Query<StoredGeneration> = state => state.stored;

/** The one write that does not ask if the stored digest is right: it makes it right. */
export const generationRaise =
  (to: Generation): Step<StoredGeneration> =>
  (state, { repeated }) => {
    if (admitRaise(state.stored.generation, to, { repeated }) === 'raised')
      return { state, answer: state.stored };
    const stored = { generation: to, digest: presentDigest(state) };
    return { state: { ...state, stored }, answer: stored };
  };
