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
 * TRS3. Chains and keys only grow. A bundle leaves the record with its last file: a release that comes back is judged by the newest root.
 * TRS4. A chain by a word does not count beside the key of an administrator, until a statement names it.
 * TRS5. A chain that was refused for want of a statement is tried again when a statement comes: the two may arrive in any order.
 */
import type { AdmittedBy } from '../../core/release-admission.ts';
import { MAX_ADMIN_KEYS, MAX_ROOT_CHAINS } from '../../core/release-trust.ts';
import type { PinnedKey } from '../../identity/admin-key.ts';
import { DepotError, errorCodeOf } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
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

export const NO_STATEMENTS: StatedTrust = {
  ofRoot: () => undefined,
  exempts: () => false,
  onChange: () => ({ [Symbol.dispose]: () => undefined }),
};

export type SledTrust = {
  readonly chains: () => readonly PinnedChain[];
  /** Those that count (TRS4). */
  readonly counting: () => readonly PinnedChain[];
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
  readonly statements: StatedTrust;
  /** Undefined: where something is pinned by more than a word. */
  readonly requireSigned: boolean | undefined;
  readonly log: Logger;
};

/** The mutable state. */
type Pinning = Options & {
  pins: Pins;
  saved: string;
  /** Of the last telling (TRS5). */
  waiting: readonly (readonly string[])[];
  readonly listeners: Set<() => void>;
};

export const createTrust = (options: Options): SledTrust => {
  const { known, statements, requireSigned } = options;
  const pinning: Pinning = {
    ...options,
    ...{ pins: known, saved: encodePins(known), waiting: [], listeners: new Set() },
  };
  let turn: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const next = turn.then(work);
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
    chains: () => pinning.pins.chains,
    counting: () => pinning.pins.chains.filter(chain => isCounting(pinning, chain)),
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
  if (text.length > MAX_TRUST_BYTES)
    throw full(`${text.length} bytes of roots and keys; the limit is ${MAX_TRUST_BYTES}`);
  await pinning.save(next);
  pinning.saved = text;
};

/** TRS2 */
const pin = async (pinning: Pinning, change: Pick<Pins, 'chains' | 'adminKeys'>): Promise<void> => {
  await saveAll(pinning, { ...pinning.pins, ...change });
  pinning.pins = { ...pinning.pins, ...change };
  for (const listener of [...pinning.listeners]) listener();
};

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
  const { pins, statements } = pinning;
  const allowed = { by, statements, hasAdminKey: pins.adminKeys.length > 0 };
  const refusals: unknown[] = [];
  const waiting: (readonly string[])[] = [];
  let { chains } = pins;
  for (const texts of told) {
    try {
      chains = withChain(chains, texts, allowed);
    } catch (error) {
      refusals.push(error);
      if (errorCodeOf(error) === 'UNTRUSTED_SIGNATURES') waiting.push(texts);
    }
  }
  pinning.waiting = waiting;
  if (chains !== pins.chains) await pin(pinning, { chains, adminKeys: pins.adminKeys });
  if (refusals.length > 0) throw refusals[0];
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

/** The latest statement on any root of a chain, the newest root first. */
const statementOn = (
  { roots }: PinnedChain,
  { ofRoot }: StatedTrust,
): 'trusted' | 'distrusted' | undefined => {
  const said = roots.map(({ sha256 }) => ofRoot(sha256)).filter(each => each !== undefined);
  return said.includes('distrusted') ? 'distrusted' : said.at(-1);
};

type Allowed = {
  readonly by: PinnedBy;
  readonly statements: StatedTrust;
  readonly hasAdminKey: boolean;
};

/** TRS1; the same array if nothing is new. */
const withChain = (
  chains: readonly PinnedChain[],
  texts: readonly string[],
  allowed: Allowed,
): readonly PinnedChain[] => {
  const told = parseChain(texts);
  let isKnown = false;
  const extended = chains.map(chain => {
    const next = extendChain(chain, told);
    isKnown ||= next !== undefined;
    if (next === undefined) return chain;
    // What a person has pinned on this machine is more than a word.
    const by = chain.by === 'word' ? allowed.by : chain.by;
    return next === chain && by === chain.by ? chain : { ...next, by };
  });
  if (isKnown) return extended.some((each, at) => each !== chains[at]) ? extended : chains;
  if (chains.length === MAX_ROOT_CHAINS) throw full(`${MAX_ROOT_CHAINS} chains of roots, which is the limit`);
  return [...chains, newChain(told, allowed)];
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
