import { expect, test } from 'vitest';
import { asGeneration, SledId } from '../../core/ids.ts';
import { serveTestNexus, TEST_TOKEN } from '../nexus.fixture.ts';
import { runTestCli } from '../run.fixture.ts';

const SLED = SledId.parse('11111111-1111-4111-8111-111111111111');

test.each([
  ['ok', 'OK', 0],
  ['old', "OLD: nexus's 7 > sled's 6", 4],
  ['newer', "BAD: nexus's 7 < sled's 8", 1],
  ['error', 'ERROR: does not answer in time', 1],
] as const)(
  'sled validate shows what is %s of each sled, and the worst is its exit code',
  async (state, message, exitCode) => {
    const sled = { sled_id: SLED, serial: 'BRM1', ip: '10.0.0.1' };
    const sleds = [
      { ...sled, state: 'ok' as const, message: 'OK' },
      { ...sled, serial: 'BRM2', state, message },
    ];
    await using nexus = await serveTestNexus({
      recovery: { replicationCheck: async () => ({ generation: asGeneration(7), sleds }) },
    });
    const run = await runTestCli(['sled', 'validate'], {
      environment: { TUF_DEPOT_URL: nexus.url, TUF_DEPOT_TOKEN: TEST_TOKEN },
    });
    expect(run).toMatchObject({ exitCode, err: '' });
    const [head, , second] = run.out.split('\n');
    expect(head).toMatch(/^ID +SERIAL +IP +STATE/);
    expect(second).toContain(`BRM2    10.0.0.1  ${message}`);
  },
);
