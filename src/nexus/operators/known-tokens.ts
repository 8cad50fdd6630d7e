/**
 * The tokens of operators, as this Nexus knows them: all of them, read from the database when a request needs them.
 *
 *     find() ─┬─ read a moment ago ────────────────────────▶ answer
 *             └─ older, or a token that is not there ─▶ read ─┬─▶ answer
 *                                                             └─ no answer ─▶ those read last, up to a bounded age
 *
 * OT1. A token that is revoked, on any Nexus, is refused here within {@link TOKENS_FRESH_MS} while the database answers.
 * OT2. While it does not answer, the tokens read last count for {@link TOKENS_MAX_AGE_MS}, and the status has their age.
 * OT3. Unknown tokens cause at most one read per {@link UNKNOWN_PAUSE_MS}, however many requests have one.
 * OT4. Expiry is judged by the database's clock. Between two reads its time advances by this machine's monotonic clock.
 * OT5. A change by this Nexus counts at once: a read that began before it answers no request that came after it, and a token that
 *      it revoked is refused even if no later read succeeds.
 */
import type { HealthReason } from '../../core/facts/reason.ts';
import type { OperatorTokenId } from '../../core/ids.ts';
import type { OperatorClaim } from '../../http/caller.ts';
import type { Clock } from '../../lib/clock.ts';
import { messageChain } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import { tokenDigest } from '../../lib/operator-token.ts';
import { LAST_USE_PRECISION_MS, tokenState } from '../datastore/decisions/operator-token.ts';
import type { OperatorTokenPort, OperatorTokenRecord } from '../datastore/ports/operator-token-port.ts';

export const TOKENS_FRESH_MS = 60_000;
/** Most outages are shorter; in a longer one the break-glass token of each Nexus remains. */
export const TOKENS_MAX_AGE_MS = 3_600_000;
export const UNKNOWN_PAUSE_MS = 1_000;
/** A request waits this long for the database, and then goes on with the tokens read last. */
const READ_TIMEOUT_MS = 2_000;
/** After a read that failed, requests do not wait for the next one. */
const FAILURE_PAUSE_MS = 5_000;

type Reading = {
  readonly byDigest: ReadonlyMap<string, OperatorTokenRecord>;
  readonly databaseMs: number;
  /** By the monotonic clock. */
  readonly atMs: number;
};

export type KnownTokens = {
  readonly find: (token: string, options: { signal: AbortSignal }) => Promise<OperatorClaim>;
  /** That the database does not answer, and how old the tokens are (OT2). */
  readonly reasons: () => readonly HealthReason[];
  /** After a change by this Nexus, also one whose outcome is uncertain (OT5). */
  readonly changed: (change?: { readonly revoked: OperatorTokenId }) => void;
  /** Waits until the last uses are written. */
  readonly [Symbol.asyncDispose]: () => Promise<void>;
};

type Deps = {
  readonly datastore: Pick<OperatorTokenPort, 'operatorTokenList' | 'operatorTokensUsed'>;
  readonly clock: Clock;
  readonly log: Logger;
};

export const createKnownTokens = (deps: Deps): KnownTokens => {
  const { clock } = deps;
  const reader = createReader(deps);
  const uses = createUses(deps);
  const revokedHere = new Set<OperatorTokenId>();
  const databaseMs = ({ databaseMs: thenMs, atMs }: Reading) => thenMs + clock.monotonicMs() - atMs;
  return {
    async find(token, { signal }) {
      const digest = tokenDigest(token);
      if (reader.needsRead(digest)) await reader.read({ signal });
      const reading = reader.last();
      if (reading === undefined) return unverified(reader.failure());
      const ageMs = clock.monotonicMs() - reading.atMs;
      if (ageMs > TOKENS_MAX_AGE_MS) return unverified(reader.failure());
      const found = reading.byDigest.get(digest);
      if (found === undefined) return { kind: 'unknown' };
      const { id, role, timeExpiresMs } = found;
      if (revokedHere.has(id)) return { kind: 'revoked', id };
      const state = tokenState(found, databaseMs(reading));
      if (state !== 'valid') return { kind: state, id };
      uses.note(found, databaseMs(reading));
      return { kind: 'known', operator: { id, role, timeExpiresMs } };
    },
    reasons() {
      reader.retry();
      const reading = reader.last();
      const error = reader.failure();
      if (reading === undefined || error === undefined || reading.byDigest.size === 0) return [];
      const readAgeMs = Math.round(clock.monotonicMs() - reading.atMs);
      return [{ code: 'OPERATOR_TOKENS_STALE', error, readAgeMs, maxAgeMs: TOKENS_MAX_AGE_MS }];
    },
    changed(change) {
      if (change !== undefined) revokedHere.add(change.revoked);
      reader.forget();
    },
    [Symbol.asyncDispose]: uses[Symbol.asyncDispose],
  };
};

const unverified = (error: string | undefined): OperatorClaim => ({
  kind: 'unverified',
  why: error ?? 'the tokens were not read yet',
});

/** Reads all tokens, once at a time. */
const createReader = ({ datastore, clock }: Deps) => {
  let last: Reading | undefined;
  let failure: { readonly message: string; readonly atMs: number } | undefined;
  /** Changes by this Nexus, and how many of them the last reading has for certain. */
  let changes = 0;
  let changesRead = 0;
  let running: Promise<void> | undefined;

  const isPaused = () => failure !== undefined && clock.monotonicMs() - failure.atMs < FAILURE_PAUSE_MS;
  const readNow = async (): Promise<void> => {
    const atMs = clock.monotonicMs();
    const changesBefore = changes;
    try {
      const signal = clock.timeout(READ_TIMEOUT_MS);
      const { databaseMs, tokens } = await datastore.operatorTokenList({ signal });
      last = { byDigest: new Map(tokens.map(token => [token.sha256, token])), databaseMs, atMs };
      changesRead = changesBefore;
      failure = undefined;
    } catch (error) {
      failure = { message: messageChain(error), atMs: clock.monotonicMs() };
    }
  };
  const readOnce = (): Promise<void> => {
    running ??= readNow().finally(() => {
      running = undefined;
    });
    return running;
  };
  return {
    last: () => last,
    failure: () => failure?.message,
    forget: () => {
      changes += 1;
    },
    needsRead(digest: string): boolean {
      if (isPaused()) return false;
      const nowMs = clock.monotonicMs();
      if (last === undefined || changesRead < changes || nowMs - last.atMs >= TOKENS_FRESH_MS) return true;
      return !last.byDigest.has(digest) && nowMs - last.atMs >= UNKNOWN_PAUSE_MS;
    },
    async read({ signal }: { signal: AbortSignal }): Promise<void> {
      const needed = changes;
      await readOnce();
      // That read may have begun before a change; the next one did not.
      if (failure === undefined && changesRead < needed) await readOnce();
      signal.throwIfAborted();
    },
    /** After a failure, without waiting: a status that is asked for again shows the end of the outage. */
    retry(): void {
      if (failure !== undefined && !isPaused()) void readOnce();
    },
  };
};

/** Writes that a token was used, at most once an hour. No request waits for it, and a failure has no effect. */
const createUses = ({ datastore, clock, log }: Deps) => {
  const notedMs = new Map<OperatorTokenId, number>();
  const writing = new Set<Promise<void>>();
  const stop = new AbortController();
  return {
    /** @param databaseMs now */
    note({ id, timeLastUsedMs }: OperatorTokenRecord, databaseMs: number): void {
      const nowMs = clock.monotonicMs();
      if (timeLastUsedMs !== null && databaseMs - timeLastUsedMs < LAST_USE_PRECISION_MS) return;
      if (nowMs - (notedMs.get(id) ?? Number.NEGATIVE_INFINITY) < LAST_USE_PRECISION_MS) return;
      notedMs.set(id, nowMs);
      const write = datastore
        .operatorTokensUsed([id], { signal: stop.signal })
        .catch((err: unknown) => log.debug({ err, token_id: id }, 'last use of a token not written'))
        .finally(() => writing.delete(write));
      writing.add(write);
    },
    async [Symbol.asyncDispose](): Promise<void> {
      stop.abort(new Error('this Nexus is stopping'));
      await Promise.allSettled(writing);
    },
  };
};
