/** Commands of this version at a Nexus of a later one: further fields are ignored, and words that are not known are shown. */
import { expect, test } from 'vitest';
import { operatorAccessApi } from '../../api/operator-access-api.ts';
import { operatorAuditApi } from '../../api/operator-audit-api.ts';
import { operatorFleetApi } from '../../api/operator-fleet-api.ts';
import { operatorHistoryApi } from '../../api/operator-history-api.ts';
import { operatorInvitationApi } from '../../api/operator-invitation-api.ts';
import { operatorRecoveryApi } from '../../api/operator-recovery-api.ts';
import { operatorSourceApi } from '../../api/operator-source-api.ts';
import { operatorStatementApi } from '../../api/operator-statement-api.ts';
import { operatorUpdateApi } from '../../api/operator-update-api.ts';
import type { Api, Route } from '../../api/route.ts';
import { NEWER_FIELD, NEWER_WORD, newerAnswer } from '../../http/newer-answer.fixture.ts';
import { SLED, serveTestNexus, TEST_TOKEN, type TestHandlers } from '../nexus.fixture.ts';
import { runTestCli } from '../run.fixture.ts';

/** Every operation answers as a later version may; a list ends with its first page. */
const newer = (api: Api): object =>
  Object.fromEntries(
    Object.entries<Route>(api.routes).map(([name, { response }]) => [
      name,
      async () =>
        response.kind === 'json'
          ? { ...(newerAnswer(response.schema) as object), next_page: null }
          : undefined,
    ]),
  );

const laterNexus = (): ReturnType<typeof serveTestNexus> =>
  serveTestNexus({
    updates: newer(operatorUpdateApi),
    fleet: newer(operatorFleetApi),
    recovery: newer(operatorRecoveryApi),
    sources: newer(operatorSourceApi),
    history: newer(operatorHistoryApi),
    access: newer(operatorAccessApi),
    invitations: newer(operatorInvitationApi),
    audit: newer(operatorAuditApi),
    statements: newer(operatorStatementApi),
  } as TestHandlers);

const HASH = 'a'.repeat(64);

test.each([
  ['status', 1],
  ['repo list', 0],
  ['repo show 1.2.0', 0],
  ['sled list', 0],
  [`sled show ${SLED}`, 0],
  ['sled validate', 1],
  ['sled invitations', 0],
  ['nexus list', 0],
  ['nexus invitations', 0],
  [`artifact list`, 0],
  [`artifact show ${HASH}`, 0],
  ['history', 0],
  ['target-release show', 0],
  ['source list', 0],
  ['source show text', 0],
  ['trust-root list', 0],
  ['token list', 0],
  ['audit list', 0],
  ['statement list', 0],
  ['recover generation', 0],
] as const)('%s, and its JSON, show what a later Nexus answers', async (command, exitCode) => {
  await using nexus = await laterNexus();
  const environment = { TUF_DEPOT_URL: nexus.url, TUF_DEPOT_TOKEN: TEST_TOKEN };
  const shown = await runTestCli(command.split(' '), { environment });
  expect(shown.err).not.toContain('error');
  expect(shown).toMatchObject({ exitCode });
  expect(shown.out.length).toBeGreaterThan(0);
  expect(shown.out).not.toMatch(/undefined|\[object|NaN/);
  const json = await runTestCli([...command.split(' '), '--json'], { environment });
  expect(json).toMatchObject({ exitCode });
  expect(json.out).not.toContain(NEWER_FIELD);
});

test('a source in a state that is not known has ended once it has an error, whose checks are shown', async () => {
  await using nexus = await laterNexus();
  const environment = { TUF_DEPOT_URL: nexus.url, TUF_DEPOT_TOKEN: TEST_TOKEN };
  const synced = await runTestCli(['repo', 'sync', 'text'], { environment });
  expect(synced).toMatchObject({ exitCode: 1, out: expect.stringContaining(`${NEWER_WORD} text`) });
  expect(synced.err).toContain('source text: text');
});

test('a word that is not known stands where a known one would', async () => {
  await using nexus = await laterNexus();
  const environment = { TUF_DEPOT_URL: nexus.url, TUF_DEPOT_TOKEN: TEST_TOKEN };
  for (const command of [
    ['status'],
    ['repo', 'show', '1.2.0'],
    ['source', 'list'],
    ['recover', 'generation'],
  ]) {
    const { out } = await runTestCli(command, { environment });
    expect(out.replaceAll(' ', '_'), command.join(' ')).toContain(NEWER_WORD);
  }
});
