/**
 * The events of a run, one line each, and the interesting states that it reached.
 *
 *     00:01:02.345  sled-2    power cut
 */

export type Trace = {
  /** False without a reader: then no line needs to be formatted. */
  readonly isOn: boolean;
  readonly say: (actor: string, words: string) => void;
  /** A state of {@link SOMETIMES} was reached. */
  readonly reached: (name: Sometimes) => void;
  readonly reachedNames: () => ReadonlySet<Sometimes>;
};

/** States that some seeds should reach. A search names those that no run reached. */
export const SOMETIMES = [
  'an upload was acknowledged',
  'an upload was recorded and its client got no answer',
  'a release was uploaded again',
  'a deleted release came back',
  'an artifact was shared by two releases',
  'a local repo was dropped',
  'a drop was refused by its transaction',
  'an archive that the database had lost was recorded again',
  'a commit was uncertain',
  'a copy was made between sleds',
  'a copy was cut',
  'a sled passed on what it was still receiving',
  'a deletion ran while its artifact was wanted again',
  'a deletion was deferred by a lease',
  'a deletion waited and was taken back',
  'the limit kept bytes',
  'an artifact made room before its wait was over',
  'a sled waited for a floor',
  'a sled affirmed its last list',
  'a sled refused an older config',
  'a sled was proven to have diverged',
  'the generation was recovered',
  'a sled was full',
  'a dataset was gone',
  'a dataset returned with an older ledger',
  'a power cut lost unsynced data',
  'a process was killed in a disk operation',
  'a rotten copy was quarantined',
  'a rotten copy was replaced',
  'a lying sled was caught',
  'a release failed',
  'a failed release recovered',
  'an artifact was put twice at once',
  'a Nexus resumed after a long pause',
  'a message was duplicated',
  'a link was held up and released',
  'a sled refused a config that did not succeed its point',
  'deletions were held and released',
  'a config was adopted by the larger-set rule over an unknown point',
  'the generation was mended by a Nexus',
  'a recovery accepted a point',
  'a head was kept and released after a recovery',
  'a drop was refused by the nonce',
  'a sled without points was given a config',
  'a lost release was uploaded again without being refused for rollback',
  'a disk of another history came back to a sled',
  'a process whose certificate nobody renews got another one',
  'an expired certificate was renewed',
  'a certificate of the future was not taken',
  'a running request of a revoked caller ended',
  'a token was used by two machines',
  'a machine joined with a token',
  'a sled that the database had forgotten was approved',
  'a Nexus was taken over',
  'a hostile Nexus was expunged',
  'a hostile call was served',
  'a hostile call was refused by its identity',
  'a hostile config was adopted',
  'a hostile config had a generation that nobody follows',
  'a sled was reset',
  'a false statement was refused',
  'a real statement was replayed',
  'a false chain of trust roots was refused',
  'a person allowed deletions that waited',
  'a sled adopted less, since a person had accepted its point',
  'a sled without the word of a person kept its config',
  'a sled stored a release of a signer for whom a person had signed',
  'a sled stored a release that a person had exempted',
  'a hostile caller sent a release for which a person has to sign',
  'a real statement of another fleet was refused',
  'a process whose identity a person had restored was heard',
  'the status named a release that nobody had exempted',
  'an identity was revoked again after a person had restored it',
] as const;
export type Sometimes = (typeof SOMETIMES)[number];

/** @param write gets each line; absent without a reader */
export const createTrace = (nowMs: () => number, write?: (line: string) => void): Trace => {
  const reached = new Set<Sometimes>();
  return {
    isOn: write !== undefined,
    say(actor, words) {
      write?.(`${clockTime(nowMs())}  ${actor.padEnd(9)} ${words}`);
    },
    reached: name => void reached.add(name),
    reachedNames: () => reached,
  };
};

/** Hours, minutes, seconds and milliseconds of virtual time. */
export const clockTime = (ms: number): string => new Date(Math.round(ms)).toISOString().slice(11, 23);
