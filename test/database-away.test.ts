/** The database is away while a person works: the command line, a Nexus with its servers, a real database behind a proxy. */
import { Readable } from 'node:stream';
import { expect, test } from 'vitest';
import { createTerminal } from '../src/cli/output/terminal.ts';
import { runTestCli } from '../src/cli/run.fixture.ts';
import { runCli } from '../src/cli/run.ts';
import { systemClock } from '../src/lib/clock.ts';
import { noHangUp } from '../src/lib/hang-up.ts';
import { createCuttingProxy } from '../src/nexus/datastore/cutting-proxy.fixture.ts';
import { createTestWorld } from '../src/nexus/process/nexus.fixture.ts';
import { verifyRelease } from '../src/verify/verify-release.ts';

const wait = { signal: new AbortController().signal };
const PATIENCE = { timeout: 50_000 };

/** A command that runs: what it has written so far, and when it has written something on standard error. */
const startCli = (args: readonly string[], environment: Readonly<Record<string, string>>) => {
  const out: string[] = [];
  let err = '';
  const watchers = new Set<() => void>();
  const onError = (text: string): void => {
    err += text;
    for (const look of watchers) look();
  };
  const terminal = createTerminal({ write: text => out.push(text) }, { write: onError }, environment);
  const ended = runCli(args, {
    ...{ terminal, environment, clock: systemClock, directory: '/nonexistent', stdin: Readable.from([]) },
    signal: wait.signal,
    onHangUp: noHangUp,
  });
  const says = (pattern: RegExp): Promise<void> =>
    new Promise(resolve => {
      const look = (): void => {
        if (pattern.test(err)) resolve();
      };
      watchers.add(look);
      look();
    });
  return { ended, says, out: () => out.join('') };
};

test('an upload whose database goes away during verification is shown in the status, and succeeds after the outage', async () => {
  await using world = await createTestWorld();
  await using proxy = await createCuttingProxy(world.database.connection);
  const nexus = await world.startNexus({
    config: { database: { url: proxy.connection } },
    replace: {
      uploadWaits: { answerAfterMs: 100, waitMs: 3_600_000 },
      async verifyRelease(path, request, options) {
        proxy.setRefusing(true);
        return verifyRelease(path, request, options);
      },
    },
  });
  const release = await world.release({ systemVersion: '1.2.0' });
  await nexus.trust(release);
  const environment = {
    TUF_DEPOT_URL: `http://${nexus.operatorAddress}`,
    TUF_DEPOT_TOKEN: nexus.token,
  };
  const upload = startCli(['repo', 'upload', release.path], environment);
  const reasons = async () => (await nexus.fleet.fleetStatus({}, wait)).reasons.map(({ code }) => code);
  await expect
    .poll(reasons, PATIENCE)
    .toEqual(expect.arrayContaining(['DATABASE_UNAVAILABLE', 'UPLOAD_WAITING']));
  const away = await runTestCli(['status'], { environment });
  expect(away.exitCode).toBe(5);
  expect(away.out).toMatch(/database: +unavailable/);
  expect(away.out).toMatch(/waits for the database/);

  await upload.says(/verified; waits for the database/);
  proxy.setRefusing(false);
  expect(await upload.ended).toBe(0);
  expect(upload.out()).toContain('1.2.0 uploaded');
  expect(await reasons()).not.toContain('UPLOAD_WAITING');
});
