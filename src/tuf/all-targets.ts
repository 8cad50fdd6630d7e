/**
 * Every target of a repository, as clients would find them one by one.
 *
 *     targets ─▶ all delegations, each verified ─▶ all names that any role lists ─▶ a search for each
 *
 * AL1. Each delegation is followed once, even if another one leads to the same role: every delegator that names a role has
 *      to vouch for it, or the whole repository is refused.
 * AL2. A target that no search finds, or that a search finds in another role, is left out.
 * AL3. Roles, targets and bytes are counted against limits over the whole repository, and all work against its budget (WB1).
 */
import assert from 'node:assert/strict';
import { DepotError } from '../lib/errors.ts';
import type { Metadata } from './metadata.ts';
import { searchTarget } from './search.ts';
import { MAX_TARGETS, type Target } from './targets.ts';
import type { ReachedRole } from './trusted-set.ts';
import type { WorkBudget } from './work-budget.ts';

const MAX_DELEGATIONS = 20_000;
const MAX_BYTES = 64 * 1024 * 1024;

type TargetsRole = Metadata<'targets'>;

/**
 * @param load reads and verifies a role
 * @throws DepotError `METADATA_INVALID` beyond a limit, `VERIFICATION_LIMIT`, and what `load` throws
 */
export const resolveAllTargets = async (
  top: TargetsRole,
  load: (reached: ReachedRole) => Promise<TargetsRole>,
  budget: WorkBudget,
): Promise<ReadonlyMap<string, Target>> => {
  if (top.signed.delegations === undefined) return top.signed.targets;
  const roles = await loadAll(top, load);
  const names = new Set([top, ...roles.values()].flatMap(({ signed }) => [...signed.targets.keys()]));
  if (names.size > MAX_TARGETS) throw tooMuch(`lists ${names.size} targets; the limit is ${MAX_TARGETS}`);
  return budget.timed(top.name, () => {
    const targets = new Map<string, Target>();
    for (const name of names) {
      const target = searchLoaded(name, top, roles, budget);
      if (target !== undefined) targets.set(name, target);
    }
    return targets;
  });
};

const loadAll = async (
  top: TargetsRole,
  load: (reached: ReachedRole) => Promise<TargetsRole>,
): Promise<ReadonlyMap<string, TargetsRole>> => {
  const roles = new Map<string, TargetsRole>();
  const pending = [top];
  let delegationCount = 0;
  let bytes = 0;
  for (let delegator = pending.pop(); delegator !== undefined; delegator = pending.pop()) {
    const { delegations } = delegator.signed;
    delegationCount += delegations?.count ?? 0;
    if (delegationCount > MAX_DELEGATIONS) {
      throw tooMuch(`has more than ${MAX_DELEGATIONS} delegations, the limit`);
    }
    for (const role of delegations?.all() ?? []) {
      const isNew = !roles.has(role.name);
      const loaded = await load({ role, delegator });
      if (!isNew) continue;
      roles.set(role.name, loaded);
      pending.push(loaded);
      bytes += loaded.bytes.length;
      if (bytes > MAX_BYTES)
        throw tooMuch(`has more than ${MAX_BYTES} bytes of delegated metadata, the limit`);
    }
  }
  return roles;
};

const searchLoaded = (
  name: string,
  top: TargetsRole,
  roles: ReadonlyMap<string, TargetsRole>,
  budget: WorkBudget,
): Target | undefined => {
  const search = searchTarget(name, top, budget);
  let step = search.next();
  while (!step.done) {
    const role = roles.get(step.value.role.name);
    assert(role !== undefined, 'every role that is delegated to is loaded before the first search');
    step = search.next(role);
  }
  return step.value?.target;
};

const tooMuch = (problem: string): DepotError =>
  new DepotError('METADATA_INVALID', `the repository ${problem}`);
