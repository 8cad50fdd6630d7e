/**
 * The recovery of an operator after the database lost commits: the commands of docs/operations.md, in one place, so that a
 * change of the recovery command changes only this file.
 *
 *     recover generation (looks) ─▶ upload what is wanted again ─▶ recover generation --apply, giving up the rest by name
 */
import { expect } from 'vitest';
import { GenerationRecovery } from '../../src/api/operator-recovery-api.ts';
import type { TestRun } from '../../src/cli/run.fixture.ts';
import { exitCodes } from '../../src/cli/session/exit-code.ts';
import type { TestRelease } from '../../src/signing/release.fixture.ts';
import { until } from '../fleet-process.fixture.ts';
import { hashesOf } from '../fleet-state.fixture.ts';

/** The Nexus that gets the commands. */
export type Operator = { readonly run: (...args: readonly string[]) => Promise<TestRun> };

/** Options that give up artifacts one by one, and those of releases that were deleted, which the database knows by name. */
const givingUp = (hashes: readonly string[], deleted: readonly TestRelease[]): string[] =>
  [...hashes, ...deleted.map(({ systemVersion }) => systemVersion)].flatMap(name => ['--give-up', name]);

/** A dry run: the undecided artifacts. */
const look = async (operator: Operator): Promise<string[]> => {
  const { exitCode, out, err } = await operator.run('recover', 'generation', '--json');
  expect(exitCode, err).toBe(exitCodes.ok);
  return GenerationRecovery.parse(JSON.parse(out)).undecided_artifacts.map(({ sha256 }) => sha256);
};

/** Requires that the dry run names every artifact that the database does not know. */
const untilRecoveryNames = (operator: Operator, hashes: readonly string[]): Promise<void> =>
  until(async () => {
    const missing = except(hashes, await look(operator));
    if (missing.length > 0) throw new Error(`the recovery does not name ${missing.join(', ')}`);
    return true;
  }, 'the recovery names what the database lost');

export type Decisions = {
  /** Lost, and uploaded again. */
  readonly again: readonly TestRelease[];
  /** Lost, and not wanted any more. */
  readonly givenUp: readonly TestRelease[];
  /** Deleted after the failover, when sleds could not follow. */
  readonly deleted: readonly TestRelease[];
  /** Listed by the database: artifacts that they share with others are not given up. */
  readonly present: readonly TestRelease[];
};

/** Decides on every lost artifact, and makes the sleds follow the database again. */
export const recover = async (operator: Operator, decisions: Decisions): Promise<void> => {
  const { again, givenUp, deleted, present } = decisions;
  const unknown = except(hashesOf(...again, ...givenUp), hashesOf(...present, ...deleted));
  await untilRecoveryNames(operator, unknown);
  for (const { path, systemVersion } of again) {
    const { exitCode, out, err } = await operator.run('repo', 'upload', path);
    expect(exitCode, err).toBe(exitCodes.ok);
    expect(out).toContain(`${systemVersion} uploaded`);
  }
  const names = givingUp(except(unknown, hashesOf(...again)), deleted);
  const undecided = await look(operator);
  expect(except(undecided, hashesOf(...givenUp, ...deleted)), 'what nobody lost or deleted').toEqual([]);
  if (undecided.length > 0) {
    const refused = await operator.run('recover', 'generation', '--apply');
    expect(refused, 'artifacts are given up by name only').toMatchObject({ exitCode: exitCodes.failed });
    expect(refused.err).toContain('RECOVERY_LOSES_ARTIFACTS');
  }
  // The second time: it is safe to run twice.
  for (const _ of [1, 2]) {
    const done = await operator.run('recover', 'generation', '--apply', ...names);
    expect(done, done.err).toMatchObject({ exitCode: exitCodes.ok });
  }
};

const except = (hashes: readonly string[], others: readonly string[]): string[] =>
  hashes.filter(hash => !others.includes(hash));
