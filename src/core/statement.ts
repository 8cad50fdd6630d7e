/**
 * Statements: decisions of a person that no Nexus can make in a person's place, because an admin key signs them (T4).
 *
 *     text (canonical JSON) ─ signed by an admin key ─▶ Nexus ─▶ every sled: verified ─▶ merged ─▶ kept
 *
 * SM1. A statement has one text: what is signed is what is compared, and a text that is not the canonical form of what it says
 *      is refused. So no two readers understand one text differently.
 * SM2. It names its fleet and what it is about, by point, hash or identity. Elsewhere it means nothing, so a replay is harmless.
 * SM3. Statements about one subject have one that counts: the later one; of several of one time the one that allows less, then a
 *      fixed order. A merge is the same in any order, so that all who know the same statements decide the same.
 * SM4. A statement is removed only by one that counts more, or from a full list when it is over (a sled never returns to a point
 *      that it has left). A full list without such a statement refuses new ones.
 */
import { z } from 'zod';
import { type Point, PointText, pointText, Sha256Hex, SystemVersion } from './ids.ts';

/** Most fleets need one in a month; a fleet that exempts each release needs one for each. */
export const MAX_STATEMENTS = 1_024;
/** Of the text of one. */
export const MAX_STATEMENT_CHARS = 8_192;
/** In base64: of ECDSA 96 are the most. */
export const MAX_SIGNATURE_CHARS = 128;
/** A recovery that meets more of them needs more statements. */
export const MAX_ACCEPTED_POINTS = 64;

export type StatementContent =
  /** What a sled at exactly this point has pending may be deleted, whatever its limit says. */
  | { readonly kind: 'allow_deletion'; readonly point: Point }
  /** A sled stores this release although no metadata vouches for all of it. */
  | { readonly kind: 'exempt_release'; readonly systemVersion: SystemVersion; readonly bundle: string }
  /** A chain of trust roots that begins with this root counts. */
  | { readonly kind: 'trust_root'; readonly rootSha256: string }
  | { readonly kind: 'distrust_root'; readonly rootSha256: string }
  /** A sled at one of these points adopts a config that does not list all of its set. */
  | { readonly kind: 'accept_points'; readonly points: readonly Point[] }
  /** Certificates that began no later than this statement count again in spite of a revocation before it. */
  | { readonly kind: 'restore_identity'; readonly identity: RestoredIdentity };
export type StatementKind = StatementContent['kind'];

export type RestoredIdentity = { readonly kind: 'nexus' | 'sled'; readonly id: string };

export type Statement = StatementContent & {
  readonly fleet: string;
  /** Of this statement alone. */
  readonly id: string;
  /** By the clock of the signer: `YYYY-MM-DDTHH:MM:SS.sssZ`, whose order is that of the times. */
  readonly time: string;
};
export type StatementOf<K extends StatementKind> = Extract<Statement, { readonly kind: K }>;

const Signed = {
  version: z.literal(1),
  fleet: z.string().min(1).max(255),
  id: z.guid().toLowerCase(),
  time: z.iso.datetime({ precision: 3 }),
};
const Text = z.discriminatedUnion('kind', [
  z.strictObject({ ...Signed, kind: z.literal('allow_deletion'), point: PointText }),
  z.strictObject({
    ...Signed,
    kind: z.literal('exempt_release'),
    system_version: SystemVersion,
    bundle: Sha256Hex,
  }),
  z.strictObject({ ...Signed, kind: z.literal('trust_root'), root_sha256: Sha256Hex }),
  z.strictObject({ ...Signed, kind: z.literal('distrust_root'), root_sha256: Sha256Hex }),
  z.strictObject({
    ...Signed,
    kind: z.literal('accept_points'),
    points: z.array(PointText).min(1).max(MAX_ACCEPTED_POINTS),
  }),
  z.strictObject({
    ...Signed,
    kind: z.literal('restore_identity'),
    identity: z.strictObject({ kind: z.enum(['nexus', 'sled']), id: z.guid().toLowerCase() }),
  }),
]);

/** The canonical text (SM1): keys in order, no white space, points in order and each once. */
export const statementText = (statement: Statement): string =>
  JSON.stringify({ version: 1, ...wireOf(statement) }, (_key, value: unknown) =>
    value !== null && typeof value === 'object' && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => compare(a, b)))
      : value,
  );

const wireOf = (statement: Statement): Readonly<Record<string, unknown>> => {
  const { fleet, id, time, kind } = statement;
  const common = { fleet, id, time, kind };
  switch (statement.kind) {
    case 'allow_deletion':
      return { ...common, point: pointText(statement.point) };
    case 'exempt_release':
      return { ...common, system_version: statement.systemVersion, bundle: statement.bundle };
    case 'trust_root':
    case 'distrust_root':
      return { ...common, root_sha256: statement.rootSha256 };
    case 'accept_points':
      return { ...common, points: pointTexts(statement.points) };
    case 'restore_identity':
      return { ...common, identity: statement.identity };
    default:
      return statement satisfies never;
  }
};

const pointTexts = (points: readonly Point[]): readonly string[] =>
  [...new Set(points.map(pointText))].sort();

export type ParsedStatement =
  | { readonly kind: 'statement'; readonly statement: Statement }
  | { readonly kind: 'fault'; readonly fault: string };

/** Of an untrusted text; whether it is signed is another question. */
export const parseStatement = (text: string): ParsedStatement => {
  if (text.length > MAX_STATEMENT_CHARS)
    return fault(`has ${text.length} characters, more than ${MAX_STATEMENT_CHARS}`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return fault('is not JSON');
  }
  const parsed = Text.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return fault(`is not a statement of version 1: ${issue?.path.join('.') || 'kind'}: ${issue?.message}`);
  }
  const statement = statementOf(parsed.data);
  return statementText(statement) === text
    ? { kind: 'statement', statement }
    : fault('is not in its canonical form');
};

const fault = (text: string): ParsedStatement => ({ kind: 'fault', fault: `the text ${text}` });

const statementOf = (parsed: z.output<typeof Text>): Statement => {
  const { fleet, id, time } = parsed;
  const common = { fleet, id, time };
  switch (parsed.kind) {
    case 'allow_deletion':
      return { ...common, kind: parsed.kind, point: parsed.point };
    case 'exempt_release':
      return {
        ...common,
        kind: parsed.kind,
        systemVersion: parsed.system_version,
        bundle: parsed.bundle,
      };
    case 'trust_root':
    case 'distrust_root':
      return { ...common, kind: parsed.kind, rootSha256: parsed.root_sha256 };
    case 'accept_points':
      return { ...common, kind: parsed.kind, points: parsed.points };
    case 'restore_identity':
      return { ...common, kind: parsed.kind, identity: parsed.identity };
    default:
      return parsed satisfies never;
  }
};

/** What a statement is about: of several about one subject one counts (SM3). */
export const subjectOf = (statement: StatementContent): string => {
  switch (statement.kind) {
    case 'allow_deletion':
      return `allow_deletion ${pointText(statement.point)}`;
    case 'exempt_release':
      return `exempt_release ${statement.systemVersion} ${statement.bundle}`;
    case 'trust_root':
    case 'distrust_root':
      return `root ${statement.rootSha256}`;
    case 'accept_points':
      return `accept_points ${pointTexts(statement.points).join(' ')}`;
    case 'restore_identity':
      return `restore_identity ${statement.identity.kind}/${statement.identity.id}`;
    default:
      return statement satisfies never;
  }
};

/** A statement with what proves it. */
export type SignedStatement = {
  /** {@link statementText}. */
  readonly statement: string;
  /** Base64. */
  readonly signature: string;
  /** SHA-256 of the admin key (SubjectPublicKeyInfo). */
  readonly key: string;
};
export type StatementEntry = { readonly signed: SignedStatement; readonly statement: Statement };

/** Those whose text can be read; whether they are signed is another question. */
export const entriesOf = (list: readonly SignedStatement[]): readonly StatementEntry[] =>
  list.flatMap(signed => {
    const parsed = parseStatement(signed.statement);
    return parsed.kind === 'statement' ? [{ signed, statement: parsed.statement }] : [];
  });

/** SM3: negative if `a` counts more than `b`. */
const byWeight = (a: StatementEntry, b: StatementEntry): number =>
  compare(b.statement.time, a.statement.time) ||
  Number(b.statement.kind === 'distrust_root') - Number(a.statement.kind === 'distrust_root') ||
  compare(a.signed.statement, b.signed.statement) ||
  compare(a.signed.key, b.signed.key) ||
  compare(a.signed.signature, b.signed.signature);

/** The one that counts of each subject, in the order of the subjects. */
export const mergeStatements = (
  ...lists: readonly (readonly StatementEntry[])[]
): readonly StatementEntry[] => {
  const counting = new Map<string, StatementEntry>();
  for (const entry of lists.flat()) {
    const subject = subjectOf(entry.statement);
    const known = counting.get(subject);
    if (known === undefined || byWeight(entry, known) < 0) counting.set(subject, entry);
  }
  return [...counting].sort(([a], [b]) => compare(a, b)).map(([, entry]) => entry);
};

/**
 * At most {@link MAX_STATEMENTS} (SM4).
 *
 * @param isOver whether a statement can have no effect any more
 * @returns `refused`: those that found no room
 */
export const addStatements = (
  known: readonly StatementEntry[],
  added: readonly StatementEntry[],
  isOver: (statement: Statement) => boolean,
): { readonly list: readonly StatementEntry[]; readonly refused: readonly StatementEntry[] } => {
  const merged = mergeStatements(known, added);
  if (merged.length <= MAX_STATEMENTS) return { list: merged, refused: [] };
  const left = merged.filter(({ statement }) => !isOver(statement));
  const subjects = new Set(known.map(({ statement }) => subjectOf(statement)));
  const isKnown = ({ statement }: StatementEntry): boolean => subjects.has(subjectOf(statement));
  const kept = left.filter(isKnown);
  const others = left
    .filter(entry => !isKnown(entry))
    .sort((a, b) => compare(a.statement.time, b.statement.time) || byWeight(a, b));
  const room = Math.max(0, MAX_STATEMENTS - kept.length);
  return { list: mergeStatements(kept, others.slice(0, room)), refused: others.slice(room) };
};

/** Of a sled that has left all points below this one: it never adopts one of them again (G6). */
export const isOverAt =
  (generation: number | undefined) =>
  (statement: Statement): boolean => {
    if (generation === undefined) return false;
    switch (statement.kind) {
      case 'allow_deletion':
        return statement.point.generation < generation;
      case 'accept_points':
        return statement.points.every(point => point.generation < generation);
      default:
        return false;
    }
  };

const compare = (a: string, b: string): number => (a < b ? -1 : Number(a > b));
