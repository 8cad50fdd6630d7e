/** Signs in logs and commits that a run reached an interesting state. */
import { BROUGHT_BACK } from '../../src/nexus/releases/upload/check-archive.ts';
import type { MemoryState } from '../datastore/state.ts';
import type { Sometimes, Trace } from '../trace.ts';

/** States that only the log shows. */
const BY_LINE: Readonly<Record<string, Sometimes>> = {
  'artifact copied': 'a copy was made between sleds',
  'copy failed': 'a copy was cut',
  'local repo kept': 'a drop was refused by its transaction',
  'generation raised above a sled, whose set is wanted': 'the generation was mended by a Nexus',
  'a point of another history was decided on': 'a head was kept and released after a recovery',
  'datasets have different configs': 'a disk of another history came back to a sled',
  'the database had lost a local repo: recorded it again':
    'an archive that the database had lost was recorded again',
  'deletions that waited were taken back': 'a deletion waited and was taken back',
  'deletions are limited: they would take too much of what this sled held within a day':
    'the limit kept bytes',
  'deletions were allowed by a statement of an admin key': 'a person allowed deletions that waited',
  'sled has diverged from the database': 'a sled was proven to have diverged',
  'sled does not have the bytes that it lists': 'a lying sled was caught',
};

export const noteLine = (trace: Trace, words: string, fields: Record<string, unknown>): void => {
  // A sled that never had a config waits for a floor at each start.
  if (words === 'floor accepted' && fields.generation !== undefined)
    trace.reached('a sled waited for a floor');
  if (words === 'local repo kept' && fields.because === 'round_lost')
    trace.reached('a drop was refused by the nonce');
  if (words === 'artifact deleted' && String(fields.reason).includes('its space is needed'))
    trace.reached('an artifact made room before its wait was over');
  if (words === 'the certificate was not renewed' && String(fields.err).includes('begins in the future'))
    trace.reached('a certificate of the future was not taken');
  if (words === 'the certificate of this process was renewed' && fields.had_expired === true)
    trace.reached('an expired certificate was renewed');
  const name = BY_LINE[words];
  if (name !== undefined) trace.reached(name);
};

export const noteCommit = (trace: Trace, before: MemoryState, after: MemoryState): void => {
  if (after.releases === before.releases) return;
  for (const [id, { sentences }] of after.overrides)
    if (!before.overrides.has(id) && sentences.includes(BROUGHT_BACK))
      trace.reached('a lost release was uploaded again without being refused for rollback');
  for (const [id, { repo, hashes }] of after.releases) {
    const was = before.releases.get(id)?.repo;
    if (was !== undefined && was.timePrunedMs !== null && repo.timePrunedMs === null)
      trace.reached('a deleted release came back');
    if (was !== undefined) continue;
    for (const other of before.releases.values())
      if (other.repo.timePrunedMs === null && [...hashes].some(hash => other.hashes.has(hash)))
        trace.reached('an artifact was shared by two releases');
  }
};
