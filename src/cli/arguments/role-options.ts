/**
 * Options that have a value for all roles, or for one: `--key signing.pem`, `--key timestamp=online.pem`.
 *
 * Values for one role replace those for all.
 */
import { TOP_LEVEL_ROLES, type TopLevelRole } from '../../tuf/role-names.ts';
import { usageError } from '../output/failure.ts';

export type RoleValues = Readonly<Record<TopLevelRole, readonly string[]>>;

/** For commander: an option that may be given several times. */
export const collected = (value: string, earlier: readonly string[] = []): readonly string[] => [
  ...earlier,
  value,
];

export const roleValues = (texts: readonly string[]): RoleValues => {
  const own = new Map<TopLevelRole, string[]>();
  const common: string[] = [];
  for (const text of texts) {
    const role = TOP_LEVEL_ROLES.find(name => text.startsWith(`${name}=`));
    if (role === undefined) common.push(text);
    else own.set(role, [...(own.get(role) ?? []), text.slice(role.length + 1)]);
  }
  return byRole(role => own.get(role) ?? common);
};

export const byRole = <Value>(of: (role: TopLevelRole) => Value): Record<TopLevelRole, Value> =>
  Object.fromEntries(TOP_LEVEL_ROLES.map(role => [role, of(role)])) as Record<TopLevelRole, Value>;

/** A century: a later expiry has no use. */
const MAX_DAYS = 36_500;
const DAY_MS = 24 * 60 * 60 * 1000;

/** @returns when each role expires, in milliseconds since the epoch */
export const roleExpiry = (texts: readonly string[], nowMs: number): Record<TopLevelRole, number> => {
  const values = roleValues(texts);
  return byRole(role => nowMs + days(single('--expires-in-days', role, values[role]) ?? '365') * DAY_MS);
};

const MAX_THRESHOLD = 64;

export const roleThresholds = (texts: readonly string[]): Record<TopLevelRole, number> => {
  const values = roleValues(texts);
  return byRole(role => {
    const text = single('--threshold', role, values[role]) ?? '1';
    const threshold = Number(text);
    if (Number.isInteger(threshold) && threshold >= 1 && threshold <= MAX_THRESHOLD) return threshold;
    throw usageError(`--threshold ${text} is not a number of keys`, `use 1 to ${MAX_THRESHOLD}`);
  });
};

const single = (option: string, role: TopLevelRole, values: readonly string[]): string | undefined => {
  if (values.length > 1) throw usageError(`${option} has several values for ${role}`, 'give one');
  return values[0];
};

const days = (text: string): number => {
  const number = Number(text);
  if (Number.isFinite(number) && number > 0 && number <= MAX_DAYS) return number;
  throw usageError(`--expires-in-days ${text} is not a number of days`, `use 1 to ${MAX_DAYS}`);
};
