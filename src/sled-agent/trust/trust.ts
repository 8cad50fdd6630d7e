/**
 * What a sled has pinned: chains of roots, keys of administrators, and which bundles of releases it has admitted (T3).
 *
 *     join, root_files ──┐
 *     PUT /trust-roots ──┼─▶ connected by signatures, or allowed anew? ─▶ trust.json ─▶ counts
 *     bundles admitted ──┘
 *
 * TRS1. A chain grows only along its signatures, by whichever Nexus. A new chain needs a statement of an administrator where a key is
 *      pinned; otherwise the word of a Nexus is enough, and the chain is marked so.
 * TRS2. Chains and keys are durable before they count. A bundle counts as soon as it is admitted: what admitted it is here anyway, and the
 *      write of a rotation has the record with it (ADM3).
 * TRS3. Chains and keys only grow, but for a chain by a word that makes room for one by more. A bundle leaves the record with its last
 *      file: a release that comes back is judged by the newest root.
 * TRS4. A chain by a word does not count beside the key of an administrator, until a statement names it.
 * TRS5. A chain that was refused for want of a statement is tried again when a statement comes: the two may arrive in any order.
 * TRS6. While a newer root is written, the older one admits nothing new: a crash would leave the root without the record of it.
 * TRS7. What another process has pinned meanwhile, such as a join, is taken in before each write, which would undo it otherwise.
 * TRS8. The signature policy is that of this sled's own configuration, and no Nexus widens it. A chain that a Nexus tells and only the
 *      policy refuses is remembered, not pinned: it says why releases are withheld, and vouches for none.
 */
import type { AdmittedBy } from '../../core/release-admission.ts';
import { MAX_ADMIN_KEYS, MAX_ROOT_CHAINS } from '../../core/release-trust.ts';
import type { PinnedKey } from '../../identity/admin-key.ts';
import { DepotError, errorCodeOf } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import { ALL_SIGNATURES, type SignaturePolicy } from '../../tuf/signature-policy.ts';
import { isOnlyUnaccepted } from '../../tuf/signatures.ts';
import {
  extendChain,
  newestRoot,
  type PinnedBy,
  type PinnedChain,
  type PinnedRoot,
  parseChain,
} from './pinned-chain.ts';
import { encodePins, MAX_RECORD, MAX_TRUST_BYTES, type Pins } from './trust-file.ts';

/** The statements of administrators that this sled has verified. */
export type StatedTrust = {
  /** By the latest statement on this root; undefined if there is none. */
  readonly ofRoot: (sha256: string) => 'trusted' | 'distrusted' | undefined;
  readonly exempts: (bundle: string) => boolean;
  readonly onChange: (listener: () => void) => Disposable;
};

export const NO_STATED_TRUST: StatedTrust = {
  ofRoot: () => undefined,
  exempts: () => false,
  onChange: () => ({ [Symbol.dispose]: () => undefined }),
};

export type SledTrust = {
  /** Under which chains grow and releases are judged (TRS8). */
  readonly signatures: SignaturePolicy;
  /** Chains of the last telling that would count if this sled accepted every scheme of signatures (TRS8). */
  readonly unaccepted: () => readonly PinnedChain[];
  readonly chains: () => readonly PinnedChain[];
  /** Those that count (TRS4). */
  readonly counting: () => readonly PinnedChain[];
  /** The version of the newest root of each chain that counts, also of one that is being written (TRS6). */
  readonly newest: () => ReadonlyMap<string, number>;
  readonly adminKeys: () => readonly PinnedKey[];
  readonly record: () => ReadonlyMap<string, AdmittedBy>;
  readonly exempts: (bundle: string) => boolean;
  /** Whether only what an admitted bundle lists is stored and served. */
  readonly requiresSigned: () => boolean;
  /**
   * Each chain by itself, the oldest root first.
   *
   * @throws DepotError `ROOT_CHAIN_BROKEN`, `METADATA_INVALID`, `UNTRUSTED_SIGNATURES` after the others were taken; `NO_SPACE`, `IO`
   */
  readonly addChains: (told: readonly (readonly string[])[], by?: PinnedBy) => Promise<void>;
  readonly addAdminKeys: (keys: readonly PinnedKey[]) => Promise<void>;
  /** Counts at once, and is written in the background. */
  readonly recordAdmitted: (bundles: ReadonlyMap<string, AdmittedBy>) => void;
  readonly forget: (bundles: readonly string[]) => void;
  /** After chains, keys or statements changed; until it is disposed. */
  readonly onChange: (listener: () => void) => Disposable;
};

type Options = {
  readonly known: Pins;
  readonly save: (pins: Pins) => Promise<void>;
  /** What the file has, if it has another text than this one (TRS7). */
  readonly loadOther?: (known: string) => Promise<Pins | undefined>;
  readonly statements: StatedTrust;
  /** Undefined: where something is pinned by more than a word. */
  readonly requireSigned: boolean | undefined;
  readonly signatures: SignaturePolicy;
  readonly log: Logger;
};

/** The mutable state. */
type Pinning = Options & {
  pins: Pins;
  saved: string;
  /** Versions of newest roots by chain, while they are written (TRS6). */
  coming: ReadonlyMap<string, number>;
  /** Of the last telling (TRS5). */
  waiting: readonly (readonly string[])[];
  /** Of the last telling (TRS8). */
  unaccepted: readonly PinnedChain[];
  readonly listeners: Set<() => void>;
};

export const createTrust = (options: Options): SledTrust => {
  const { known, statements, requireSigned, signatures } = options;
  const pinning: Pinning = {
    ...options,
    ...{ pins: known, saved: encodePins(known), coming: new Map(), listeners: new Set() },
    ...{ waiting: [], unaccepted: [] },
  };
  let turn: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const next = turn.then(async () => {
      await takeInOthers(pinning);
      return work();
    });
    turn = next.catch(() => undefined);
    return next;
  };
  const keepRecord = (record: Pins['record']): void => {
    pinning.pins = { ...pinning.pins, record };
    inTurn(() => saveAll(pinning, pinning.pins)).catch(err =>
      options.log.error(
        { err },
        'the record of admitted releases is not written; the next change retries it',
      ),
    );
  };
  statements.onChange(() => {
    if (pinning.waiting.length === 0) return;
    inTurn(() => addChains(pinning, pinning.waiting, 'word')).catch((err: unknown) =>
      options.log.info({ err }, 'a chain of roots waits for a statement'),
    );
  });
  return {
    signatures,
    unaccepted: () => pinning.unaccepted,
    chains: () => pinning.pins.chains,
    counting: () => counting(pinning),
    newest: () => newestVersions(counting(pinning), pinning.coming),
    adminKeys: () => pinning.pins.adminKeys,
    record: () => pinning.pins.record,
    exempts: statements.exempts,
    requiresSigned: () => requireSigned ?? isPinned(pinning.pins),
    addChains: (told, by = 'word') => inTurn(() => addChains(pinning, told, by)),
    addAdminKeys: keys => inTurn(() => addAdminKeys(pinning, keys)),
    recordAdmitted: bundles => keepRecord(withAdmitted(pinning.pins.record, bundles)),
    forget(bundles) {
      const gone = new Set(bundles);
      keepRecord(new Map([...pinning.pins.record].filter(([bundle]) => !gone.has(bundle))));
    },
    onChange(listener) {
      const { listeners } = pinning;
      listeners.add(listener);
      const stated = statements.onChange(listener);
      return {
        [Symbol.dispose]() {
          listeners.delete(listener);
          stated[Symbol.dispose]();
        },
      };
    },
  };
};

const saveAll = async (pinning: Pinning, next: Pins): Promise<void> => {
  const text = encodePins(next);
  if (text === pinning.saved) return;
  const bytes = Buffer.byteLength(text, 'utf8');
  if (bytes > MAX_TRUST_BYTES)
    throw full(`${bytes} bytes of roots and keys; the limit is ${MAX_TRUST_BYTES}`);
  await pinning.save(next);
  pinning.saved = text;
};

/** TRS2 */
const pin = async (pinning: Pinning, change: Pick<Pins, 'chains' | 'adminKeys'>): Promise<void> => {
  pinning.coming = newestVersions(change.chains);
  try {
    await saveAll(pinning, { ...pinning.pins, ...change });
    pinning.pins = { ...pinning.pins, ...change };
  } finally {
    pinning.coming = new Map();
    tellAll(pinning); // after a failure too: what came meanwhile is judged again
  }
};

/** TRS7 */
const takeInOthers = async (pinning: Pinning): Promise<void> => {
  const there = await pinning.loadOther?.(pinning.saved);
  const text = there && encodePins(there);
  if (there === undefined || text === undefined || text === pinning.saved) return;
  const { chains, adminKeys, record } = pinning.pins;
  pinning.saved = text;
  pinning.pins = {
    chains: there.chains.reduce((known, { by, roots }) => {
      const texts = roots.map(({ text }) => text);
      const { statements } = pinning;
      return withChain(known, texts, { by, statements, hasAdminKey: false, signatures: ALL_SIGNATURES }); // PC4
    }, chains),
    adminKeys: withKeys(adminKeys, there.adminKeys),
    record,
  };
  tellAll(pinning);
};

const tellAll = ({ listeners }: Pinning): void => {
  for (const listener of [...listeners]) listener();
};

const counting = (pinning: Pinning): readonly PinnedChain[] =>
  pinning.pins.chains.filter(chain => isCounting(pinning, chain));

const newestVersions = (
  chains: readonly PinnedChain[],
  coming: ReadonlyMap<string, number> = new Map(),
): ReadonlyMap<string, number> =>
  new Map(
    chains.map(chain => [chain.id, Math.max(newestRoot(chain).version, coming.get(chain.id) ?? 0)] as const),
  );

const isCounting = ({ statements, pins }: Pinning, chain: PinnedChain): boolean => {
  const said = statementOn(chain, statements);
  if (said !== undefined) return said === 'trusted';
  return chain.by !== 'word' || pins.adminKeys.length === 0; // TRS4
};

const isPinned = ({ adminKeys, chains }: Pins): boolean =>
  adminKeys.length > 0 || chains.some(({ by }) => by !== 'word');

const addChains = async (
  pinning: Pinning,
  told: readonly (readonly string[])[],
  by: PinnedBy,
): Promise<void> => {
  const { pins, statements, signatures } = pinning;
  const allowed = { by, statements, signatures, hasAdminKey: pins.adminKeys.length > 0 };
  const refusals: unknown[] = [];
  const waiting: (readonly string[])[] = [];
  const unaccepted: PinnedChain[] = [];
  let { chains } = pins;
  for (const texts of told) {
    try {
      chains = withChain(chains, texts, allowed);
    } catch (error) {
      refusals.push(error);
      if (errorCodeOf(error) === 'UNTRUSTED_SIGNATURES') waiting.push(texts);
      unaccepted.push(...underEveryScheme(error, chains, texts, allowed));
    }
  }
  pinning.waiting = waiting;
  noteUnaccepted(pinning, unaccepted);
  if (chains !== pins.chains) await pin(pinning, { chains, adminKeys: pins.adminKeys });
  if (refusals.length > 0) throw refusals[0];
};

/** TRS8: the chain that a telling would make, where only the policy refuses it. */
const underEveryScheme = (
  refusal: unknown,
  chains: readonly PinnedChain[],
  texts: readonly string[],
  allowed: Allowed,
): readonly PinnedChain[] => {
  if (!(refusal instanceof DepotError && isOnlyUnaccepted(refusal))) return [];
  try {
    const wider = withChain(chains, texts, { ...allowed, signatures: ALL_SIGNATURES });
    return wider.filter(chain => !chains.includes(chain));
  } catch (error) {
    if (error instanceof DepotError) return [];
    throw error;
  }
};

/** What is withheld is judged again only where something is new: a Nexus tells its chains again and again. */
const noteUnaccepted = (pinning: Pinning, unaccepted: readonly PinnedChain[]): void => {
  const digests = (chains: readonly PinnedChain[]) => chains.map(chain => newestRoot(chain).sha256).join();
  const isNew = digests(unaccepted) !== digests(pinning.unaccepted);
  pinning.unaccepted = unaccepted;
  if (isNew) tellAll(pinning);
};

const addAdminKeys = async (pinning: Pinning, keys: readonly PinnedKey[]): Promise<void> => {
  const { chains, adminKeys: known } = pinning.pins;
  const adminKeys = withKeys(known, keys);
  if (adminKeys.length > known.length) await pin(pinning, { chains, adminKeys });
};

export const withKeys = (known: readonly PinnedKey[], keys: readonly PinnedKey[]): readonly PinnedKey[] => {
  const byDigest = new Map([...known, ...keys].map(key => [key.digest, key]));
  if (byDigest.size > MAX_ADMIN_KEYS)
    throw full(`${byDigest.size} keys of administrators; the limit is ${MAX_ADMIN_KEYS}`);
  return [...byDigest.values()];
};

const withAdmitted = (known: Pins['record'], bundles: ReadonlyMap<string, AdmittedBy>): Pins['record'] => {
  const record = new Map(known);
  for (const [bundle, by] of bundles)
    if (record.get(bundle) !== 'signature' && (record.size < MAX_RECORD || record.has(bundle)))
      record.set(bundle, by);
  return record;
};

/** One distrusted root outweighs every trusted root of the chain, whichever was said later; of one root the later statement counts. */
const statementOn = (
  { roots }: PinnedChain,
  { ofRoot }: StatedTrust,
): 'trusted' | 'distrusted' | undefined => {
  const said = roots.map(({ sha256 }) => ofRoot(sha256)).filter(each => each !== undefined);
  return said.includes('distrusted') ? 'distrusted' : said.at(-1);
};

type Allowed = {
  readonly by: PinnedBy;
  readonly signatures: SignaturePolicy;
  readonly statements: StatedTrust;
  readonly hasAdminKey: boolean;
};

/** TRS1; the same array if nothing is new. */
const withChain = (
  chains: readonly PinnedChain[],
  texts: readonly string[],
  allowed: Allowed,
): readonly PinnedChain[] => {
  const { signatures } = allowed;
  const told = parseChain(texts, signatures);
  let isKnown = false;
  const extended = chains.map(chain => {
    const next = extendChain(chain, told, signatures);
    isKnown ||= next !== undefined;
    if (next === undefined) return chain;
    // What a person has pinned on this machine is more than a word.
    const by = chain.by === 'word' ? allowed.by : chain.by;
    return next === chain && by === chain.by ? chain : { ...next, by };
  });
  if (isKnown) return extended.some((each, at) => each !== chains[at]) ? extended : chains;
  const added = newChain(told, allowed);
  return [...(chains.length < MAX_ROOT_CHAINS ? chains : withRoom(chains, added)), added];
};

/** A chain by more than a word takes the place of one by a word: a Nexus that lied cannot keep the sled from pinning. */
const withRoom = (chains: readonly PinnedChain[], { by }: PinnedChain): readonly PinnedChain[] => {
  const at = by === 'word' ? -1 : chains.findLastIndex(each => each.by === 'word');
  if (at < 0) throw full(`${MAX_ROOT_CHAINS + 1} chains of roots; the limit is ${MAX_ROOT_CHAINS}`);
  return chains.toSpliced(at, 1);
};

const newChain = (told: PinnedChain['roots'], { by, statements, hasAdminKey }: Allowed): PinnedChain => {
  if (by !== 'word' || !hasAdminKey) return { id: told[0].sha256, by, roots: told };
  const named = told.findIndex(({ sha256 }) => statements.ofRoot(sha256) === 'trusted');
  const [first, ...others] = named < 0 ? [] : told.slice(named);
  if (first !== undefined) return { id: first.sha256, by: 'statement', roots: [first, ...others] };
  throw new DepotError(
    'UNTRUSTED_SIGNATURES',
    `the root with the SHA-256 ${told[0].sha256} (version ${told[0].version}) continues no chain that this sled has pinned, and no statement of an administrator names it`,
    { detail: { root_sha256: told[0].sha256 } },
  );
};

export type TriedRoot = {
  readonly id: string;
  readonly bytes: Uint8Array;
  /** As {@link PinnedChain.id}. */
  readonly chain: string;
  readonly version: number;
};

/** For the verification of a bundle: the newest root of each chain, and those before it for one in the record (ADM1). */
export const rootsToTry = (chains: readonly PinnedChain[], isRecorded: boolean): readonly TriedRoot[] => {
  const of = (chain: PinnedChain, { version, text }: PinnedRoot): TriedRoot => ({
    id: `${chain.id}:${version}`,
    bytes: Buffer.from(text, 'utf8'),
    chain: chain.id,
    version,
  });
  const newest = chains.map(chain => of(chain, newestRoot(chain)));
  if (!isRecorded) return newest;
  const older = chains.flatMap(chain =>
    chain.roots
      .slice(0, -1)
      .reverse()
      .map(root => of(chain, root)),
  );
  return [...newest, ...older];
};

const full = (what: string): DepotError =>
  new DepotError(
    'INVALID_REQUEST',
    `this sled would pin ${what}; compare trust.json with the signers of this fleet`,
  );
