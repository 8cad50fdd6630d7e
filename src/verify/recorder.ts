/**
 * Writes down every check of a verification as it is made, in the order of the client workflow.
 *
 *     trusted set ─▶ watch() ─▶ the same set, each update of which leaves its checks behind ─▶ checks()
 *
 * VL1. A report has only the checks that were made: each once it has passed, or with its error. It has no checks after a
 *      failure.
 * VL2. A trust root that does not vouch for the repository leaves one line; the one that does leaves all of its checks.
 */
import type { ReportedCheck } from '../lib/check-report.ts';
import { isoTime } from '../lib/clock.ts';
import { DepotError, errorCodeOf, findDepotError, messageChain } from '../lib/errors.ts';
import { type Metadata, parseMetadata } from '../tuf/metadata.ts';
import type { TopLevelRole } from '../tuf/role-names.ts';
import { type Signers, validKeyIds } from '../tuf/signatures.ts';
import type { Override } from '../tuf/trust-policy.ts';
import { delegatedSigners, signersOf, type TrustedSet } from '../tuf/trusted-set.ts';
import { CLAUSES, type Clause } from './clauses.ts';

export type CheckRecorder = {
  readonly watch: (set: TrustedSet, trustRootId: string) => TrustedSet;
  /** Marks failed checks as overridden. */
  readonly overridden: (overrides: readonly Override[]) => void;
  /** Work beside the metadata; if it fails, it is the failed check. */
  readonly step: <T>(
    work: () => Promise<T>,
    passed: (result: T) => string,
    clause?: string | null,
  ) => Promise<T>;
  readonly note: (text: string) => void;
  readonly checks: () => readonly ReportedCheck[];
  /** The same error, with the report so far. */
  readonly withReport: (error: unknown) => unknown;
};

type Facts = { readonly metadata: Metadata; readonly keyIds: readonly string[] };
type Line = ReportedCheck & { readonly kind?: Override['kind'] | undefined };

const DAY_MS = 86_400_000;

export const createCheckRecorder = (nowMs: number): CheckRecorder => {
  const record = createRecord();
  const { add } = record;
  return {
    watch(set, trustRootId) {
      record.begin(trustRootId);
      const { version } = set.root();
      const text = `trust root ${trustRootId} signs itself`;
      add({ clause: '5.2', outcome: 'passed', text, role: 'root', version });
      return watched(set, updateRecorder(add, nowMs));
    },
    overridden: record.overridden,
    async step(work, passed, clause = null) {
      try {
        const result = await work();
        add({ clause, outcome: 'passed', text: passed(result) });
        return result;
      } catch (error) {
        add(failedLine(error, clause, undefined, nowMs));
        throw error;
      }
    },
    note: text => add({ clause: null, outcome: 'noted', text }),
    checks: record.checks,
    withReport(error) {
      const known = findDepotError(error);
      if (known === undefined) return error;
      const checks = record.checks();
      const isTold = checks.some(({ outcome }) => outcome === 'failed');
      const untold: ReportedCheck = { clause: null, outcome: 'failed', text: messageChain(known) };
      const { code, message, cause, detail } = known;
      return new DepotError(code, message, { cause, detail, report: isTold ? checks : [...checks, untold] });
    },
  };
};

/** The lines so far: those of this attempt, and one for each trust root that was tried before (VL2). */
const createRecord = () => {
  const refusals: Line[] = [];
  let trustRootId: string | undefined;
  let lines: Line[] = [];
  return {
    add: (...more: readonly Line[]): void => void lines.push(...more),
    begin(id: string): void {
      const failed = lines.findLast(({ outcome }) => outcome === 'failed');
      if (failed !== undefined)
        refusals.push({ ...failed, outcome: 'noted', text: `trust root ${trustRootId}: ${failed.text}` });
      lines = [];
      trustRootId = id;
    },
    overridden(overrides: readonly Override[]): void {
      for (const { kind, role } of overrides) {
        const at = lines.findIndex(line => line.kind === kind && line.role === role);
        const line = lines[at];
        if (line === undefined) continue;
        const was = kind === 'expired' ? 'has expired' : 'is older than the version trusted before';
        const text = `${role} ${was}; accepted by an override`;
        lines[at] = { ...line, outcome: 'overridden', text };
      }
    },
    checks: (): readonly ReportedCheck[] => [...refusals, ...lines].map(({ kind: _, ...check }) => check),
  };
};

/** Runs one update of the set and leaves its checks, up to the one that failed (VL1). */
const updateRecorder =
  (add: (...lines: readonly Line[]) => void, nowMs: number): Update =>
  (clauses, facts, run) => {
    const passed = (shown: Facts | undefined, some: readonly Clause[]): void =>
      add(...some.map(clause => passedLine(clause, shown, nowMs)));
    try {
      const result = run();
      passed(facts(result), clauses);
      return result;
    } catch (error) {
      const code = errorCodeOf(error);
      const at = Math.max(
        0,
        clauses.findIndex(({ codes }) => codes.includes(code)),
      );
      const shown = unlessItThrows(() => facts(undefined));
      passed(shown, clauses.slice(0, at));
      add(failedLine(error, clauses[at]?.clause ?? null, shown, nowMs));
      throw error;
    }
  };

type Update = <T>(clauses: readonly Clause[], facts: (result: T | undefined) => Facts, run: () => T) => T;

const watched = (set: TrustedSet, update: Update): TrustedSet => {
  let newestRoot: Metadata<'root'> | undefined;
  const topLevel = (role: TopLevelRole, bytes: Uint8Array) => (): Facts => {
    const metadata = parseMetadata(role, bytes);
    return { metadata, keyIds: validKeyIds(signersOf(set.root(), role, set.signatures), metadata) };
  };
  const given = (bytes: Uint8Array, name: string, signers: Signers) => (known: Metadata | undefined) => {
    const metadata = known ?? parseMetadata('targets', bytes, name);
    return { metadata, keyIds: validKeyIds(signers, metadata) };
  };
  return {
    ...set,
    updateRoot(bytes) {
      newestRoot = update(CLAUSES.root, topLevel('root', bytes), () => set.updateRoot(bytes));
      return newestRoot;
    },
    closeRoots(before) {
      const { version, expiresMs } = set.root();
      const metadata = newestRoot ?? ({ name: 'root', signed: { version, expiresMs } } as Metadata);
      update(
        CLAUSES.lastRoot,
        () => ({ metadata, keyIds: [] }),
        () => set.closeRoots(before),
      );
    },
    updateTimestamp: bytes =>
      update(CLAUSES.timestamp, topLevel('timestamp', bytes), () => set.updateTimestamp(bytes)),
    updateSnapshot: bytes =>
      update(CLAUSES.snapshot, topLevel('snapshot', bytes), () => set.updateSnapshot(bytes)),
    updateTargets: bytes =>
      update(CLAUSES.targets, given(bytes, 'targets', signersOf(set.root(), 'targets', set.signatures)), () =>
        set.updateTargets(bytes),
      ),
    updateDelegated: (reached, bytes) =>
      update(
        CLAUSES.delegated,
        given(bytes, reached.role.name, delegatedSigners(reached, set.signatures)),
        () => set.updateDelegated(reached, bytes),
      ),
  };
};

const passedLine = ({ clause, what, codes }: Clause, shown: Facts | undefined, nowMs: number): Line => {
  const isSignature = codes.includes('UNTRUSTED_SIGNATURES');
  const kind = codes.includes('METADATA_EXPIRED')
    ? 'expired'
    : codes.includes('METADATA_ROLLBACK')
      ? 'rollback'
      : undefined;
  const keys =
    isSignature && shown !== undefined
      ? ` by ${shown.keyIds.map(id => id.slice(0, 16).toWellFormed()).join(', ')}`
      : '';
  const until =
    kind === 'expired' && shown !== undefined ? ` (until ${isoTime(shown.metadata.signed.expiresMs)})` : '';
  const name = shown === undefined ? 'it' : `${shown.metadata.name} version ${shown.metadata.signed.version}`;
  return {
    clause,
    outcome: 'passed',
    text: `${name} ${what}${keys}${until}`,
    ...numbers(shown, nowMs),
    kind,
  };
};

const failedLine = (
  error: unknown,
  clause: string | null,
  shown: Facts | undefined,
  nowMs: number,
): Line => ({
  clause,
  outcome: 'failed',
  text: messageChain(error),
  ...numbers(shown, nowMs),
});

const numbers = (shown: Facts | undefined, nowMs: number): Partial<ReportedCheck> => {
  if (shown === undefined) return {};
  const { name, signed } = shown.metadata;
  return {
    role: name,
    version: signed.version,
    expires: isoTime(signed.expiresMs),
    expires_in_days: Math.floor((signed.expiresMs - nowMs) / DAY_MS),
    ...(shown.keyIds.length > 0 && { key_ids: shown.keyIds }),
  };
};

/** Failed metadata may have no details. */
const unlessItThrows = <T>(make: () => T): T | undefined => {
  try {
    return make();
  } catch {
    return undefined;
  }
};
