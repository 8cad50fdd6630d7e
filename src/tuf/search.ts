/**
 * Finds the targets role that is responsible for a target: pre-order, depth first, from the top-level targets (5.6.7).
 *
 * SH1. The first role that lists the target is the one that counts; roles come in the order of their delegator.
 * SH2. A terminating delegation that covers the target ends the search after its own subtree (CVE-2025-2886).
 * SH3. A role is visited once in a search, so a cycle ends; and only so many roles are visited at all. Comparing paths is counted
 *      as work on the role that delegates (WB1).
 *
 * The search requests roles and receives them verified, so that it serves callers that read them on demand and callers that
 * have read them all.
 */
import { DepotError } from '../lib/errors.ts';
import type { Metadata } from './metadata.ts';
import { targetPath } from './path-pattern.ts';
import type { ListedTarget } from './targets.ts';
import type { ReachedRole } from './trusted-set.ts';
import type { WorkBudget } from './work-budget.ts';

/** As many as other clients visit. */
const MAX_ROLES_IN_SEARCH = 32;

type TargetsRole = Metadata<'targets'>;
export type FoundTarget = { readonly target: ListedTarget; readonly role: TargetsRole };

/** Yields each role that it needs next, and continues with that role's metadata. */
export function* searchTarget(
  targetName: string,
  top: TargetsRole,
  budget: WorkBudget,
): Generator<ReachedRole, FoundTarget | undefined, TargetsRole> {
  const path = targetPath(targetName);
  const visited = new Set([top.name]);
  const pending: ReachedRole[] = [];
  for (let delegator = top; ; ) {
    const target = delegator.signed.targets.get(targetName);
    if (target !== undefined) return { target, role: delegator };

    const roles = delegator.signed.delegations?.rolesFor(path, budget.of(delegator.name)) ?? [];
    if (roles.at(-1)?.terminating) pending.length = 0;
    for (const role of roles.toReversed()) pending.push({ role, delegator });

    const next = nextUnvisited(pending, visited);
    if (next === undefined) return undefined;
    if (visited.size > MAX_ROLES_IN_SEARCH) {
      throw new DepotError(
        'METADATA_INVALID',
        `the search for the target ${targetName} goes on after ${MAX_ROLES_IN_SEARCH} delegated roles, the limit`,
      );
    }
    visited.add(next.role.name);
    delegator = yield next;
  }
}

const nextUnvisited = (pending: ReachedRole[], visited: ReadonlySet<string>): ReachedRole | undefined => {
  for (;;) {
    const next = pending.pop();
    if (next === undefined || !visited.has(next.role.name)) return next;
  }
};
