/**
 * Recovery of the generation: what brings sleds back that are ahead of the database (B5, P7).
 *
 *     answers of the sleds ─▶ a later read of the database ─▶ planRecovery() ─▶ shown, or acted upon
 *
 * RG1. The new generation is above every claim that counts: one that is believable, of a sled that is not excluded.
 * RG2. Excluding a sled takes its claim out of the count and nothing else: if it is below the new generation it
 *      comes back too, with what that means for what it holds.
 * RG3. Nothing is let go of unseen: what returning sleds hold and the database does not know is listed, and a sled
 *      that does not say what it holds has to be excluded by name.
 * RG4. Where no sled that counts has diverged there is nothing to do, so that acting twice is acting once.
 */
import { type ArtifactHash, asGeneration, type Generation, type SledId } from './ids.ts';

/** A generation that leaves less than this above itself is no place to go to: the wanted set goes on changing. */
export const ROOM_ABOVE = 2 ** 32;

export type RecoveryClaim = {
  readonly kind: 'claim';
  /** As answered: not yet believed. */
  readonly generation: number;
  /** Of the sled's wanted set; absent from sled agents that do not tell. */
  readonly digest: string | undefined;
  readonly held: readonly ArtifactHash[];
};

export type AskedSled = {
  readonly id: SledId;
  readonly serial: string;
  readonly answer:
    | RecoveryClaim
    | { readonly kind: 'no_config' }
    | { readonly kind: 'silent' | 'bad_answer'; readonly message: string };
};

export type RecoveryInput = {
  /** Of a read that began after the last answer (P7). */
  readonly database: { readonly generation: Generation; readonly digest: string };
  readonly sleds: readonly AskedSled[];
  readonly excluded: ReadonlySet<SledId>;
  /** Every hash of {@link divergedHashes} that any release lists, and whether a present one does. */
  readonly known: ReadonlyMap<ArtifactHash, 'present' | 'deleted'>;
  /** The generation that was asked for; otherwise the lowest that will do. */
  readonly to?: number | undefined;
};

export type SledFate =
  /** At one with the database, or behind it: needs no recovery. */
  | 'agrees'
  /** Diverged, and takes the database's config at the new generation. */
  | 'comes_back'
  | 'stays_diverged'
  /** Does not say what it holds: may have diverged too. */
  | 'silent'
  | 'unbelievable';

export type RecoverySled = {
  readonly id: SledId;
  readonly serial: string;
  readonly fate: SledFate;
  readonly isExcluded: boolean;
  /** What it claims, where that is believable. */
  readonly generation: Generation | undefined;
  /** Held by it, and listed by no release that the database knows. */
  readonly unknownArtifacts: number;
  readonly because: string;
};

export type HeldArtifact = { readonly sha256: ArtifactHash; readonly sleds: readonly SledId[] };

export type RecoveryPlan = {
  readonly generation: Generation;
  readonly outcome:
    | { readonly kind: 'not_needed' }
    | { readonly kind: 'raise'; readonly to: Generation }
    /** What was asked for is not above every claim that counts, or leaves no room. */
    | { readonly kind: 'refused'; readonly lowest: Generation; readonly highest: Generation }
    /** Above the highest claim that counts there is no room. */
    | { readonly kind: 'no_room'; readonly claimants: readonly string[] };
  readonly sleds: readonly RecoverySled[];
  /** What sleds that come back let go of: of no release that the database knows. */
  readonly unknown: readonly HeldArtifact[];
  /** … and of releases that were deleted. */
  readonly deleted: readonly HeldArtifact[];
};

export type RecoveryObstacle = {
  readonly code: 'RECOVERY_LOSES_ARTIFACTS' | 'RECOVERY_SLED_SILENT' | 'RECOVERY_NO_GENERATION_LEFT';
  readonly message: string;
};

/** What has to be looked up in the database before a plan can be made. */
export const divergedHashes = ({
  database,
  sleds,
}: Pick<RecoveryInput, 'database' | 'sleds'>): ReadonlySet<ArtifactHash> =>
  new Set(sleds.flatMap(({ answer }) => divergedClaim(answer, database)?.held ?? []));

export const planRecovery = (input: RecoveryInput): RecoveryPlan => {
  const outcome = decide(input);
  const to = outcome.kind === 'raise' ? outcome.to : undefined;
  const sleds = input.sleds.map(sled => judge(sled, to, input));
  const isLettingGo = ({ fate, isExcluded, generation }: RecoverySled): boolean =>
    to === undefined
      ? fate === 'stays_diverged' && !isExcluded && generation !== undefined
      : fate === 'comes_back';
  const returning = new Set(sleds.filter(isLettingGo).map(({ id }) => id));
  const holders = holdersOf(input.sleds.filter(({ id }) => returning.has(id)));
  const heldAs = (state: 'deleted' | undefined) =>
    holders.filter(({ sha256 }) => input.known.get(sha256) === state);
  return {
    generation: input.database.generation,
    outcome,
    sleds,
    unknown: heldAs(undefined),
    deleted: heldAs('deleted'),
  };
};

/** What stands in the way of acting on a plan, as it is. */
export const recoveryObstacles = (
  { outcome, sleds, unknown }: RecoveryPlan,
  { letsGoOfUnknown }: { readonly letsGoOfUnknown: boolean },
): readonly RecoveryObstacle[] => {
  if (outcome.kind === 'no_room') {
    const message = `${listed(outcome.claimants)} claim${outcome.claimants.length === 1 ? 's' : ''} so high a generation that there is no room above it: exclude`;
    return [{ code: 'RECOVERY_NO_GENERATION_LEFT', message }];
  }
  if (outcome.kind !== 'raise') return [];
  const obstacles: RecoveryObstacle[] = [];
  const silent = sleds.filter(({ fate, isExcluded }) => fate === 'silent' && !isExcluded);
  if (silent.length > 0) {
    const names = listed(silent.map(({ serial }) => serial));
    const message = `${names} did not say what is held there, and would let go of what the database does not know: start, expunge or exclude`;
    obstacles.push({ code: 'RECOVERY_SLED_SILENT', message });
  }
  if (unknown.length > 0 && !letsGoOfUnknown) {
    const first = listed(unknown.map(({ sha256 }) => sha256));
    const message = `sleds would let go of ${unknown.length} artifacts that the database does not know: ${first}; upload the releases that list them first`;
    obstacles.push({ code: 'RECOVERY_LOSES_ARTIFACTS', message });
  }
  return obstacles;
};

const isBelievable = (generation: number): boolean => Number.isSafeInteger(generation) && generation >= 0;

/** P7: ahead of the database, or at its generation with another set. */
const divergedClaim = (
  answer: AskedSled['answer'],
  { generation, digest }: RecoveryInput['database'],
): RecoveryClaim | undefined => {
  if (answer.kind !== 'claim' || !isBelievable(answer.generation)) return undefined;
  const isAhead = answer.generation > generation;
  const isOther = answer.generation === generation && answer.digest !== undefined && answer.digest !== digest;
  return isAhead || isOther ? answer : undefined;
};

const decide = ({ database, sleds, excluded, to }: RecoveryInput): RecoveryPlan['outcome'] => {
  const counted = sleds.flatMap(({ id, serial, answer }) => {
    const claim = excluded.has(id) ? undefined : divergedClaim(answer, database);
    return claim === undefined ? [] : [{ serial, generation: claim.generation }];
  });
  if (counted.length === 0) return { kind: 'not_needed' };
  const lowest = Math.max(...counted.map(({ generation }) => generation)) + 1;
  // A database that is there already has to get on somehow.
  const highest = Math.min(
    Number.MAX_SAFE_INTEGER,
    Math.max(Number.MAX_SAFE_INTEGER - ROOM_ABOVE, database.generation + 1),
  );
  if (lowest > highest) {
    const claimants = counted.filter(({ generation }) => generation >= highest).map(({ serial }) => serial);
    return { kind: 'no_room', claimants };
  }
  if (to === undefined) return { kind: 'raise', to: asGeneration(lowest) };
  if (isBelievable(to) && to >= lowest && to <= highest) return { kind: 'raise', to: asGeneration(to) };
  return { kind: 'refused', lowest: asGeneration(lowest), highest: asGeneration(highest) };
};

/** @param to undefined when the generation is not raised */
const judge = (
  { id, serial, answer }: AskedSled,
  to: Generation | undefined,
  { database, excluded, known }: RecoveryInput,
): RecoverySled => {
  const isExcluded = excluded.has(id);
  const sled = { id, serial, isExcluded, generation: undefined, unknownArtifacts: 0 };
  switch (answer.kind) {
    case 'no_config':
      return { ...sled, fate: 'agrees', because: 'was not told yet what to hold' };
    case 'silent':
      return { ...sled, fate: 'silent', because: `${answer.message}: may be ahead of the database too` };
    case 'bad_answer':
      return { ...sled, fate: 'unbelievable', because: `answers what makes no sense: ${answer.message}` };
    case 'claim': {
      if (!isBelievable(answer.generation)) {
        const because = `claims generation ${answer.generation}, which is beyond 2^53 - 1 and not believed`;
        return { ...sled, fate: 'unbelievable', because };
      }
      const claim = { ...sled, generation: asGeneration(answer.generation) };
      if (divergedClaim(answer, database) === undefined) {
        const where = answer.generation < database.generation ? 'behind' : 'at one with';
        const because = `at generation ${answer.generation}, ${where} the database`;
        return { ...claim, fate: 'agrees', because };
      }
      const unknownArtifacts = answer.held.filter(hash => !known.has(hash)).length;
      return { ...claim, unknownArtifacts, ...fateOfDiverged(answer, isExcluded, to, database) };
    }
    default:
      return answer satisfies never;
  }
};

const fateOfDiverged = (
  { generation, digest }: RecoveryClaim,
  isExcluded: boolean,
  to: Generation | undefined,
  database: RecoveryInput['database'],
): Pick<RecoverySled, 'fate' | 'because'> => {
  const claim =
    generation === database.generation
      ? `holds another set of artifacts at generation ${generation}, that of the database`
      : `claims generation ${generation}, and the database is at ${database.generation}`;
  // At the new generation with the database's own set a sled is at one with it.
  const comesBack =
    to !== undefined && (generation < to || (generation === to && digest === database.digest));
  if (comesBack) {
    return {
      fate: 'comes_back',
      because: isExcluded
        ? `${claim}; its claim is not counted, but it takes the config of ${to} all the same`
        : `${claim}; takes the config of ${to}`,
    };
  }
  return {
    fate: 'stays_diverged',
    because: isExcluded
      ? `${claim}; is excluded, and keeps what it has until the database's generation has passed its own`
      : claim,
  };
};

const holdersOf = (sleds: readonly AskedSled[]): readonly HeldArtifact[] => {
  const holders = new Map<ArtifactHash, SledId[]>();
  for (const { id, answer } of sleds) {
    for (const sha256 of answer.kind === 'claim' ? answer.held : []) {
      const ids = holders.get(sha256) ?? [];
      holders.set(sha256, ids);
      ids.push(id);
    }
  }
  return [...holders].sort(([a], [b]) => (a < b ? -1 : 1)).map(([sha256, ids]) => ({ sha256, sleds: ids }));
};

/** Names in a sentence: the first few, and how many more. */
const LISTED = 3;
const listed = (names: readonly string[]): string =>
  names.length <= LISTED
    ? names.join(', ')
    : `${names.slice(0, LISTED).join(', ')} and ${names.length - LISTED} more`;
