import { expect, test } from 'vitest';
import type { GenerationRecovery } from '../../api/operator-recovery-api.ts';
import { ArtifactHash, asGeneration, SledId } from '../../core/ids.ts';
import { DepotError } from '../../lib/errors.ts';
import { SLED, serveTestNexus, TEST_TOKEN, testRecovery } from '../test-nexus.ts';
import { runTestCli } from '../test-run.ts';

const UNKNOWN = ArtifactHash.parse('c'.repeat(64));
const OTHER_SLED = SledId.parse('00000000-0000-4000-8000-000000000002');

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
        unknown_artifacts: 1,
        message: 'claims generation 12, and the database is at 7; takes the config of 13',
      },
      {
        sled_id: OTHER_SLED,
        serial: 'sled-2',
        state: 'agrees',
        excluded: false,
        generation: asGeneration(7),
        unknown_artifacts: 0,
        message: 'at generation 7, at one with the database',
      },
    ],
    ...more,
  });
const losing = () =>
  needed({
    state: 'blocked',
    unknown_artifacts_total: 12,
    unknown_artifacts: [{ sha256: UNKNOWN, sleds: [SLED] }],
    deleted_artifacts_total: 1,
    deleted_artifacts: [{ sha256: UNKNOWN, sleds: [SLED] }],
    obstacles: [{ code: 'RECOVERY_LOSES_ARTIFACTS', message: 'sleds would let go' }],
  });

const against = async (found: GenerationRecovery, args: readonly string[], refusal?: DepotError) => {
  await using nexus = await serveTestNexus({
    recovery: {
      async generationRecoveryView({ query }) {
        nexus.received.calls.push(query);
        return found;
      },
      ...(refusal !== undefined && {
        async generationRecover() {
          throw refusal;
        },
      }),
    },
  });
  const environment = { TUF_DEPOT_URL: nexus.url, TUF_DEPOT_TOKEN: TEST_TOKEN };
  const run = await runTestCli(['recover', 'generation', ...args], { environment });
  return { ...run, calls: nexus.received.calls };
};

test('P7: recover generation explains what was found, what would go and what to do first, and changes nothing', async () => {
  const run = await against(losing(), []);
  expect(run).toMatchObject({ exitCode: 0, err: '', calls: [{}] });
  expect(run.out).toContain('the database is at generation 7');
  expect(run.out).toMatch(/sled-1 +comes back +12 +1 +claims generation 12, and the database is at 7/);
  expect(run.out).toMatch(/raises the generation to 13: 1 sled then takes/);
  expect(run.out).toContain(
    `12 artifacts would be let go of that no release in the database lists:\n  ${UNKNOWN}  on sled-1`,
  );
  expect(run.out).toContain('and 11 more');
  expect(run.out).toContain('1 artifact of deleted releases would go too.');
  expect(run.out.indexOf('tuf-depot repo upload FILE')).toBeLessThan(
    run.out.indexOf('recover generation --apply'),
  );
});

test('P7: with --apply it acts on what it has just seen, and says what the generation has become', async () => {
  const run = await against(needed(), ['--apply', '--exclude', 'sled-1', '--let-go-of-unknown-artifacts']);
  expect(run).toMatchObject({ exitCode: 0, out: expect.stringContaining('generation was 7 and is 13') });
  expect(run.calls).toEqual([
    { exclude_sleds: SLED },
    { expected_generation: 7, to: 13, exclude_sleds: [SLED], confirm_unknown_artifacts: true },
  ]);
  const plain = await against(needed(), ['--apply']);
  expect(plain.calls[1]).toMatchObject({ exclude_sleds: [], confirm_unknown_artifacts: false });
});

test('RH2: where there is nothing to recover --apply asks for nothing, says so and exits with 0', async () => {
  const run = await against(testRecovery(), ['--apply']);
  expect(run).toMatchObject({ exitCode: 0, calls: [{}] });
  expect(run.out).toMatch(/^There is nothing to recover.*generation 7\.\n$/);
});

test('a refused recovery says why, with the code and what helps', async () => {
  const refusal = new DepotError('RECOVERY_LOSES_ARTIFACTS', 'sleds would let go of 12 artifacts');
  const run = await against(losing(), ['--apply'], refusal);
  expect(run).toMatchObject({ exitCode: 1, out: '' });
  expect(run.err).toMatch(
    /would let go of 12 artifacts \[RECOVERY_LOSES_ARTIFACTS\]\nfix: upload the releases/,
  );
});

test('a claim above which there is no room is named, and not acted on', async () => {
  const message = 'sled-1 claims so high a generation that there is no room above it: exclude';
  const found = needed({
    state: 'blocked',
    to: null,
    obstacles: [{ code: 'RECOVERY_NO_GENERATION_LEFT', message }],
  });
  const look = await against(found, []);
  expect(look).toMatchObject({ exitCode: 0, out: expect.stringContaining(`${message} (--exclude SLED)`) });
  const run = await against(found, ['--apply']);
  expect(run).toMatchObject({ exitCode: 1, calls: [{}] });
  expect(run.err).toContain(`${message} [RECOVERY_NO_GENERATION_LEFT]`);
});

test('--json prints what the API answers', async () => {
  expect(JSON.parse((await against(losing(), ['--json'])).out)).toEqual(losing());
});
