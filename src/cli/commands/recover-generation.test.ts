import { expect, test } from 'vitest';
import type { GenerationRecovery } from '../../api/operator-recovery-api.ts';
import { ArtifactHash, asGeneration, SledId } from '../../core/ids.ts';
import { DepotError } from '../../lib/errors.ts';
import { SLED, serveTestNexus, TEST_TOKEN, testRecovery } from '../nexus.fixture.ts';
import { runTestCli } from '../run.fixture.ts';

const LOST = ArtifactHash.parse('c'.repeat(64));
const DELETED = ArtifactHash.parse('d'.repeat(64));
const OTHER_SLED = SledId.parse('00000000-0000-4000-8000-000000000002');
/** Two configs of one generation, and one of another. */
const [DIGEST, SIMILAR, UNREAD] = [`ab1${'0'.repeat(61)}`, `ab2${'0'.repeat(61)}`, 'f'.repeat(64)];
const POINT = `12:${DIGEST}`;

const needed = (more: Partial<GenerationRecovery> = {}): GenerationRecovery =>
  testRecovery({
    state: 'needed',
    to: asGeneration(13),
    sleds: [
      {
        sled_id: SLED,
        serial: 'sled-1',
        state: 'comes_back',
        excluded: false,
        generation: asGeneration(12),
        message: 'holds 12:ab1000000000, which the database does not know; follows once it is decided on',
      },
      {
        sled_id: OTHER_SLED,
        serial: 'sled-2',
        state: 'agrees',
        excluded: false,
        generation: asGeneration(7),
        message: 'at 7:eeeeeeeeeeee, which the database knows',
      },
    ],
    points: [
      { generation: asGeneration(12), config_digest: DIGEST, sleds: [SLED], artifacts: 3 },
      { generation: asGeneration(12), config_digest: SIMILAR, sleds: [SLED, OTHER_SLED], artifacts: 1 },
      { generation: asGeneration(9), config_digest: UNREAD, sleds: [OTHER_SLED], artifacts: null },
    ],
    ...more,
  });
const losing = (more: Partial<GenerationRecovery> = {}) =>
  needed({
    state: 'blocked',
    undecided_artifacts_total: 12,
    undecided_artifacts: [
      { sha256: LOST, state: 'unknown', points: [POINT] },
      { sha256: DELETED, state: 'deleted', points: [POINT] },
    ],
    obstacles: [
      { code: 'RECOVERY_LOSES_ARTIFACTS', message: '12 artifacts are listed by no present release' },
    ],
    ...more,
  });

const against = async (
  found: GenerationRecovery,
  args: readonly string[],
  acting?: DepotError | GenerationRecovery,
) => {
  await using nexus = await serveTestNexus({
    recovery: {
      async generationRecoveryView({ query }) {
        nexus.received.calls.push(query);
        return found;
      },
      ...(acting !== undefined && {
        async generationRecover({ body }) {
          nexus.received.calls.push(body);
          if (acting instanceof DepotError) throw acting;
          return acting;
        },
      }),
    },
  });
  const environment = { TUF_DEPOT_URL: nexus.url, TUF_DEPOT_TOKEN: TEST_TOKEN };
  const run = await runTestCli(['recover', 'generation', ...args], { environment });
  return { ...run, calls: nexus.received.calls };
};

test('recover generation shows the findings, the deletions and the first steps, and changes nothing (P7, B5)', async () => {
  const run = await against(losing(), []);
  expect(run).toMatchObject({ exitCode: 0, err: '', calls: [{}] });
  expect(run.out).toContain('the database, at generation 7, does not know');
  expect(run.out).toMatch(/sled-1 +comes back +12 +holds 12:ab1000000000, which the database does not know/);
  expect(run.out).toContain(
    [
      '3 configs of another history:',
      '  12:ab1000000000  3 artifacts  on sled-1',
      '  12:ab2000000000  1 artifact  on sled-1, sled-2',
      '  9:ffffffffffff  no sled reported its content  on sled-2',
    ].join('\n'),
  );
  expect(run.out).toContain(
    [
      '12 artifacts of these would be deleted, since no present release lists them:',
      `  ${LOST}  of a release that the database has lost`,
      `  ${DELETED}  its release was deleted`,
      '  and 10 more',
    ].join('\n'),
  );
  expect(run.out.indexOf('tuf-depot repo upload FILE')).toBeLessThan(
    run.out.indexOf('recover generation --apply'),
  );
  expect(run.out).toContain('--give-up GENERATION:DIGEST');
});

test('if nothing is undecided the explanation says so, and names no upload', async () => {
  const run = await against(needed(), ['--exclude', 'sled-1']);
  expect(run.out).toContain('A present release lists each artifact of the reported configs.');
  expect(run.out).not.toContain('repo upload');
  expect(run.calls).toEqual([{ exclude_sleds: [SLED] }]);
});

test('a point whose set no sled reported is not counted among the points that became known', async () => {
  const run = await against(needed({ state: 'done' }), []);
  expect(run.out).toContain('is 13; 2 points of another history became known');
});

test('an obstacle that no name removes is listed as a step, with its code', async () => {
  const message = 'No sled gave the set of 9:ffffffffffff.';
  const remedy = 'Start a sled that holds it, or reset the sled on its machine.';
  const points = needed().points.filter(({ artifacts }) => artifacts === null);
  const run = await against(
    needed({ state: 'blocked', points, obstacles: [{ code: 'RECOVERY_SLED_SILENT', message, remedy }] }),
    [],
  );
  expect(run.out).not.toContain('listed by a present release');
  expect(run.out).toContain(`2. ${message} ${remedy} [RECOVERY_SLED_SILENT]`);
});

test('--apply acts on the plan that it has just made, and reports the new generation (P7)', async () => {
  const run = await against(needed(), ['--apply', '--exclude', 'sled-1']);
  expect(run).toMatchObject({ exitCode: 0, out: expect.stringContaining('generation was 7 and is 13') });
  const nothing = { artifacts: [], points: [], releases: [] };
  expect(run.calls).toEqual([
    { exclude_sleds: [SLED] },
    { expected_generation: 7, to: 13, exclude_sleds: [SLED], give_up: nothing },
  ]);
});

test('sleds that the database does not know are listed with the command that approves each, whatever the state (RI4)', async () => {
  const pending_sleds = [{ id: SLED, serial: 'BRM42', address: '[::1]:1' }];
  for (const state of ['not_needed', 'needed', 'done'] as const) {
    const run = await against(needed({ state, pending_sleds }), []);
    expect(run.out).toContain(`  BRM42  ${SLED}  [::1]:1  tuf-depot sled approve ${SLED}`);
  }
});

test('--apply says how many invitations of machines it has ended (JD4)', async () => {
  const done = needed({ state: 'done', invitations_ended: 2 });
  const run = await against(needed(), ['--apply'], done);
  expect(run.out).toContain('2 unused invitations are ended');
  expect((await against(needed(), ['--apply'], needed({ state: 'done' }))).out).not.toContain('invitation');
});

test.each([
  ['the hash of an artifact', [LOST], { artifacts: [LOST] }],
  ['the version of a release', ['2.0.0-rc.1'], { releases: ['2.0.0-rc.1'] }],
  ['a config by its whole name', [POINT], { points: [POINT] }],
  ['a config by the beginning of its digest', ['12:ab1'], { points: [POINT] }],
  ['a config by its generation alone', ['9:'], { points: [`9:${UNREAD}`] }],
  [
    'several of them',
    [LOST, DELETED, '1.2.3', '12:ab2'],
    { artifacts: [LOST, DELETED], releases: ['1.2.3'], points: [`12:${SIMILAR}`] },
  ],
])('--give-up takes %s', async (_, names, expected) => {
  const args = names.flatMap(name => ['--give-up', name]);
  const run = await against(losing(), ['--apply', ...args]);
  expect(run.exitCode).toBe(0);
  expect(run.calls[1]).toMatchObject({
    give_up: { artifacts: [], points: [], releases: [], ...expected },
  });
});

test.each([
  ['12:', 'more than one config'],
  ['12:ab', 'more than one config'],
  ['12:ab3', 'no config'],
  ['8:', 'no config'],
  ['cccc', 'no config'],
])('--give-up %s is refused: it names %s, and the message lists those that there are', async (name, why) => {
  for (const args of [[], ['--apply']]) {
    const run = await against(losing(), [...args, '--give-up', name]);
    expect(run.exitCode).not.toBe(0);
    expect(run.err).toContain(`--give-up ${name}: `);
    expect(run.err).toContain(`${why} of another history`);
    expect(run.err).toContain(POINT);
    expect(run.calls, 'nothing is asked for').toEqual([{}]);
  }
});

test('if there is nothing to recover, --apply names nothing to give up, says so and exits with 0 (RH2)', async () => {
  for (const names of [[], ['--give-up', '12:ab1'], ['--give-up', '2.0.0']]) {
    const run = await against(testRecovery(), ['--apply', ...names], testRecovery());
    const give_up = { artifacts: [], points: [], releases: [] };
    expect(run).toMatchObject({ exitCode: 0, calls: [{}, { expected_generation: 7, give_up }] });
    expect(run.out).toMatch(/^There is nothing to recover: the database, at generation 7, knows .*\n$/);
  }
});

test('where only the audit log lost something, --apply says that its entry explains it (RH3)', async () => {
  const run = await against(
    testRecovery(),
    ['--apply'],
    testRecovery({ state: 'done', to: asGeneration(8) }),
  );
  expect(run.exitCode).toBe(0);
  expect(run.out).toMatch(
    /^Recovered: the generation was 7 and is 8; the audit log has an entry that explains which of its entries the database lost\.\n/,
  );
});

test('if there is nothing to recover, a sled that may hold an unknown config is still named', async () => {
  const [sled] = needed().sleds;
  const silent = { ...sled!, state: 'silent' as const, generation: null, message: 'connection refused' };
  const run = await against(testRecovery({ sleds: [silent, needed().sleds[1]!] }), []);
  expect(run.out).toMatch(/sled-1 +silent +- +connection refused/);
  expect(run.out).not.toContain('sled-2');
});

test('a refused recovery has its reason, its code and its remedy', async () => {
  const refusal = new DepotError('RECOVERY_LOSES_ARTIFACTS', '12 artifacts are listed by no present release');
  const run = await against(losing(), ['--apply'], refusal);
  expect(run).toMatchObject({ exitCode: 1, out: '' });
  expect(run.err).toMatch(
    /listed by no present release \[RECOVERY_LOSES_ARTIFACTS\]\nfix: Upload the releases .* give up by name/,
  );
});

test('--json prints the answer of the API', async () => {
  expect(JSON.parse((await against(losing(), ['--json'])).out)).toEqual(losing());
});
