/**
 * Every target of a repository, as clients would find them one by one.
 *
 *     targets ─▶ all delegations, each verified ─▶ all names that any role lists ─▶ a search for each
 *
 * AL1. Each delegation is followed once, even if another one leads to the same role: every delegator that names a role has
 *      to vouch for it, or the whole repository is refused.
 * AL2. A target that a search finds in another role is that role's. One that no search finds, or whose bytes nothing proves, is left
 *      out by name.
 * AL3. Roles, targets and bytes are counted against limits over the whole repository, and all work against its budget (WB1).
 */
import assert from 'node:assert/strict';
import { type LeftOutTarget, MAX_LEFT_OUT } from '../core/left-out.ts';
import { DepotError } from '../lib/errors.ts';
import type { Metadata } from './metadata.ts';
import { searchTarget } from './search.ts';
import { isProven, type ListedTarget, MAX_TARGETS, type Target, type UnprovenTarget } from './targets.ts';
import type { ReachedRole } from './trusted-set.ts';
import type { WorkBudget } from './work-budget.ts';

const MAX_DELEGATIONS = 20_000;
const MAX_BYTES = 64 * 1024 * 1024;

type TargetsRole = Metadata<'targets'>;

export type AllTargets = {
  /** By name, of whatever role: those that a client would find. */
  readonly targets: ReadonlyMap<string, Target>;
  /** The others that a role lists; the first {@link MAX_LEFT_OUT}. */
  readonly leftOut: readonly LeftOutTarget[];
};

/**
 * @param load reads and verifies a role
 * @throws DepotError `METADATA_INVALID` beyond a limit, `VERIFICATION_LIMIT`, and what `load` throws
 */
export const resolveAllTargets = async (
  top: TargetsRole,
  load: (reached: ReachedRole) => Promise<TargetsRole>,
  budget: WorkBudget,
): Promise<AllTargets> => {
  const roles = top.signed.delegations === undefined ? new Map() : await loadAll(top, load);
  const names = new Set([top, ...roles.values()].flatMap(({ signed }) => [...signed.targets.keys()]));
  if (names.size > MAX_TARGETS) throw tooMuch(`lists ${names.size} targets; the limit is ${MAX_TARGETS}`);
  return budget.timed(top.name, () => {
    const targets = new Map<string, Target>();
    const leftOut: LeftOutTarget[] = [];
    for (const name of names) {
      const target = roles.size === 0 ? top.signed.targets.get(name) : searchLoaded(name, top, roles, budget);
      if (target !== undefined && isProven(target)) targets.set(name, target);
      else if (leftOut.length < MAX_LEFT_OUT) leftOut.push(whyLeftOut(name, target, roles));
    }
    return { targets, leftOut };
  });
};

const whyLeftOut = (
  targetName: string,
  found: UnprovenTarget | undefined,
  roles: ReadonlyMap<string, TargetsRole>,
): LeftOutTarget => {
  if (found !== undefined) return { kind: 'unknown_hashes', targetName, algorithms: found.algorithms };
  const lister = [...roles.values()].find(({ signed }) => signed.targets.has(targetName));
  return { kind: 'outside_paths', targetName, role: lister?.name ?? '' };
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
): ListedTarget | undefined => {
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
