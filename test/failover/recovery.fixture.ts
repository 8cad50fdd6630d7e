/**
 * What an operator does about sleds that hold what the database lost: the commands of docs/operations.md, in one place,
 * since they are what changes when the recovery command does.
 *
 *     recover generation (looks) ─▶ upload what is wanted again ─▶ recover generation --apply, giving up the rest by name
 */
import { expect } from 'vitest';
import { exitCodes } from '../../src/cli/exit-code.ts';
import type { TestRun } from '../../src/cli/test-run.ts';
import type { TestRelease } from '../../src/release/test-release.ts';
import { hashesOf, until } from '../process-fleet.fixture.ts';

/** Where the commands are typed. */
export type Operator = { readonly run: (...args: readonly string[]) => Promise<TestRun> };

/** Options that give up the artifacts of these releases. */
const givingUp = (lost: readonly TestRelease[]): string[] =>
  lost.length === 0 ? [] : ['--let-go-of-unknown-artifacts'];

/** The look, which changes nothing, names every artifact that the database does not know. */
export const untilRecoveryNames = (operator: Operator, hashes: readonly string[]): Promise<void> =>
  until(async () => {
    const { out, err } = await operator.run('recover', 'generation', '--json');
    for (const hash of hashes)
      if (!out.includes(hash)) throw new Error(`the recovery does not name ${hash}: ${out}${err}`);
    return true;
  }, 'the recovery names what the database lost');

/**
 * Uploads some of the lost releases again and gives up the others.
 *
 * @param options.known what the database lists besides, whose artifacts are not given up
 */
export const recover = async (
  operator: Operator,
  options: {
    readonly again: readonly TestRelease[];
    readonly givenUp: readonly TestRelease[];
    readonly known: readonly TestRelease[];
  },
): Promise<void> => {
  const { again, givenUp, known } = options;
  const listed = hashesOf(...known);
  const unknown = hashesOf(...again, ...givenUp).filter(hash => !listed.includes(hash));
  await untilRecoveryNames(operator, unknown);
  for (const { path, systemVersion } of again) {
    const { exitCode, out, err } = await operator.run('repo', 'upload', path);
    expect({ exitCode, err }).toEqual({ exitCode: exitCodes.ok, err: '' });
    expect(out).toContain(`${systemVersion} uploaded`);
  }
  if (givenUp.length > 0) {
    const refused = await operator.run('recover', 'generation', '--apply');
    expect(refused, 'artifacts are given up by name only').toMatchObject({ exitCode: exitCodes.failed });
  }
  const done = await operator.run('recover', 'generation', '--apply', ...givingUp(givenUp));
  expect(done, done.err).toMatchObject({ exitCode: exitCodes.ok });
  // Safe to run twice.
  const twice = await operator.run('recover', 'generation', '--apply', ...givingUp(givenUp));
  expect(twice, twice.err).toMatchObject({ exitCode: exitCodes.ok });
};
