import { readdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { stringify } from 'smol-toml';
import { expect, test } from 'vitest';
import { isArtifactHash, pointText } from '../../core/ids.ts';
import { heldPoint, offer, put, testArtifact } from '../../sled-agent/store/artifact.fixture.ts';
import { createTestStore } from '../../sled-agent/store/store.fixture.ts';
import { runTestCli } from '../run.fixture.ts';

/** A sled that holds one artifact at generation 5, and is stopped. */
const stoppedSled = async () => {
  const artifact = testArtifact(1);
  const sled = await createTestStore();
  await offer(sled.store(), 5, [artifact]);
  await put(sled.store(), artifact);
  const point = pointText(heldPoint(sled.store())!);
  await sled.store()[Symbol.asyncDispose]();
  const directory = dirname(sled.directories[0]!);
  const config = {
    serial: 'BRM1',
    transport: 'plain',
    nexus: ['127.0.0.1:1'],
    datasets: [...sled.directories],
  };
  await writeFile(join(directory, 'sled-agent.toml'), stringify(config));
  return {
    sled,
    point,
    reset: (...args: string[]) =>
      runTestCli(['sled-agent', 'reset', '--config', 'sled-agent.toml', ...args], { directory }),
    files: async () => (await readdir(sled.directories[1]!)).filter(isArtifactHash),
    [Symbol.asyncDispose]: () => sled[Symbol.asyncDispose](),
  };
};

test('sled-agent reset names the new incarnation and the kept configs; the next one may give one up', async () => {
  await using machine = await stoppedSled();
  const first = await machine.reset();
  expect(first).toMatchObject({ exitCode: 0, err: '' });
  expect(first.out).toMatch(
    /^The sled has a new incarnation, [0-9a-f-]{36}\. No file was deleted\. Start its agent/,
  );
  expect(first.out).toContain(
    `The artifacts of these configs are kept until a recovery has decided on them:\n  ${machine.point}  1 artifact\n`,
  );
  expect(first.out).not.toContain('Given up');
  const second = await machine.reset('--give-up', '5:');
  expect(second).toMatchObject({
    exitCode: 0,
    out: expect.stringContaining(`Given up:\n  ${machine.point}`),
  });
  expect(second.out).not.toContain('are kept until');
  expect(await machine.files()).toHaveLength(1);
});

test('--json has the incarnation and the points', async () => {
  await using machine = await stoppedSled();
  const { incarnationId, kept, givenUp } = JSON.parse((await machine.reset('--json')).out);
  expect(incarnationId).toMatch(/^[0-9a-f-]{36}$/);
  expect([kept, givenUp]).toMatchObject([[{ point: { generation: 5 }, artifacts: 1 }], []]);
});

test('it is refused with a reason while the agent runs, and for a config that the sled does not have', async () => {
  await using machine = await stoppedSled();
  const unknown = await machine.reset('--give-up', '6:');
  expect(unknown).toMatchObject({ exitCode: 1, out: '', err: expect.stringContaining(machine.point) });
  await machine.sled.reopen();
  expect(await machine.reset()).toMatchObject({
    exitCode: 1,
    out: '',
    err: expect.stringContaining('[IN_USE_BY_PROCESS]'),
  });
});
