/** The report of a verification: each check in order with its clause, and the expiry of each role. */
import type { CheckView } from '../../api/wire.ts';
import { plural } from '../../core/facts/phrase.ts';
import type { ReportedCheck } from '../../lib/check-report.ts';
import { textOf } from './newer-words.ts';
import { printable, type Style } from './style.ts';

const marks: Record<ReportedCheck['outcome'], string> = {
  passed: '✓',
  failed: '✗',
  overridden: '!',
  noted: '·',
};

const CLAUSE_WIDTH = 12;

export const checkLines = (checks: readonly CheckView[], style: Style): string[] => {
  const paint = new Map<string, (text: string) => string>([
    ['passed', style.good],
    ['failed', style.bad],
    ['overridden', style.warn],
    ['noted', style.dim],
  ]);
  return checks.map(
    ({ outcome, clause, text }) =>
      `${(paint.get(outcome) ?? style.warn)(textOf(marks, outcome))} ${style.dim((clause ?? '').padEnd(CLAUSE_WIDTH))} ${printable(text)}`,
  );
};

/** One line per role: its version, and the days until it expires. */
export const expiryLines = (checks: readonly CheckView[], style: Style): string[] => {
  const roles = new Map<string, CheckView>();
  for (const check of checks)
    if (check.role !== undefined && check.expires !== undefined) roles.set(check.role, check);
  return Array.from(roles, ([role, { version, expires, expires_in_days: days = 0 }]) => {
    const left = days < 0 ? style.bad(`expired ${plural(-days, 'day')} ago`) : `${plural(days, 'day')} left`;
    return `${printable(role)} version ${version} expires ${expires} (${days >= 0 && days < 30 ? style.warn(left) : left})`;
  });
};
