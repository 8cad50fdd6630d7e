/** Registrations of strangers: a real Nexus and database over HTTP. */
import { connect } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { sledAgentInfo } from '../../api/sled-agent-info.fixture.ts';
import { asGeneration } from '../../core/ids.ts';
import { systemClock } from '../../lib/clock.ts';
import { splitAddress } from '../../lib/endpoint.ts';
import { createTestWorld } from '../process/nexus.fixture.ts';
import { fakeConnection } from '../sleds/fleet.fixture.ts';

const wait = { signal: new AbortController().signal };
const idOf = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;

const startNexus = async ({ clock = systemClock } = {}) => {
  const world = await createTestWorld();
  const connectSleds = () => ({ ...fakeConnection([]), [Symbol.asyncDispose]: async () => undefined });
  const config = { plain_listen: '127.0.0.1:0' };
  const nexus = await world.startNexus({ clock, config, replace: { connectSleds } });
  const { plainAddress = '' } = nexus;
  const approve = (n: number, address = '127.0.0.1') =>
    nexus.fleet.sledSetTransport(
      { params: { sled_id: idOf(n) }, body: { transport: 'plain', address } },
      wait,
    );
  const register = async (n: number, body: string) => {
    const headers = { 'content-type': 'application/json' };
    const url = `http://${plainAddress}/sled-agents/${idOf(n)}`;
    const answer = await fetch(url, { method: 'POST', body, headers });
    const { error_code: code = 'recorded', message = '' } =
      answer.status === 204 ? {} : ((await answer.json()) as Record<string, string>);
    return `${answer.status} ${code}: ${message}`;
  };
  return {
    world,
    nexus,
    plainAddress,
    approve,
    register,
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
  };
};

/** Sends the head of a registration, and of its body only this; resolves with the answer. */
const answerTo = async (address: string, header: string, sent: string): Promise<string> => {
  const socket = connect(splitAddress(address));
  onTestFinished(() => void socket.destroy());
  const head = `POST /sled-agents/${idOf(1)} HTTP/1.1\r\nHost: ${address}\r\nContent-Type: application/json\r\n`;
  socket.write(`${head}${header}\r\n\r\n${sent}`);
  let answer = '';
  for await (const chunk of socket) {
    answer += chunk;
    if (answer.endsWith('}')) break;
  }
  return answer;
};

test('a registration of 30 MiB is refused before its first byte, and one without an end before it is parsed (T5)', async () => {
  await using started = await startNexus();
  const { nexus, plainAddress } = started;
  const answer = await answerTo(plainAddress, `Content-Length: ${30 * 1024 * 1024}`, '');
  expect(answer).toMatch(/^HTTP\/1\.1 413 [\s\S]*"BODY_TOO_LARGE"[\s\S]* 262144 are allowed here/);
  const chunk = `{"serial": "${'x'.repeat(262_144)}`;
  const endless = `${chunk.length.toString(16)}\r\n${chunk}\r\n`;
  expect(await answerTo(plainAddress, 'Transfer-Encoding: chunked', endless)).toMatch(
    /^HTTP\/1\.1 413 [\s\S]*"BODY_TOO_LARGE"[\s\S]* longer than the 262144 bytes/,
  );
  expect((await nexus.fleet.sledList({ query: {} }, wait)).items).toEqual([]);
});

test('a registration with an invalid field is refused by the name of the field', async () => {
  await using started = await startNexus();
  const { nexus, register } = started;
  for (const [differing, field] of [
    [{ sa_address: 'not an address' }, 'sa_address'],
    [{ baseboard: { serial: '', part: 'p', revision: 0 } }, 'baseboard.serial'],
    [{ generation: 2 ** 53 }, 'generation'],
    [{ repo_depot_port: 0 }, 'repo_depot_port'],
  ] as const)
    expect(await register(1, JSON.stringify({ ...sledAgentInfo(), ...differing }))).toMatch(
      new RegExp(`^400 INVALID_REQUEST: body ${field}: `),
    );
  expect((await nexus.fleet.sledList({ query: {} }, wait)).items).toEqual([]);
});

test('on the address for sleds without an identity nobody registers, reads or learns anything but an approved sled at its address (T1a, IA1, STR2)', async () => {
  await using started = await startNexus();
  const { nexus, plainAddress, approve, register } = started;
  const body = (sa_address = '127.0.0.1:1') => JSON.stringify(sledAgentInfo({ sa_address }));
  const refused = '403 SLED_NOT_PLAIN: only sleds that are approved to speak plain HTTP register here';
  expect(await register(1, body())).toBe(refused);
  await approve(1, '127.0.0.2');
  expect(await register(1, body()), 'from another address').toBe(refused);
  expect(await register(1, body('127.0.0.2:1')), 'and naming the approved one').toBe(refused);
  await approve(1);
  expect(await register(1, body('127.0.0.2:1')), 'naming another address').toBe(refused);
  expect((await nexus.fleet.sledList({ query: {} }, wait)).items).toEqual([]);
  expect(await register(1, body())).toMatch(/^204 /);
  expect(await register(2, body()), 'another id').toBe(refused);
  const { items } = await nexus.fleet.sledList({ query: {} }, wait);
  expect(items).toMatchObject([{ id: idOf(1), transport: 'plain' }]);

  const get = async (path: string) => {
    const { status } = await fetch(`http://${plainAddress}${path}`);
    return status;
  };
  expect(await get(`/sled-agents/${idOf(1)}`)).toBe(200);
  expect(await get(`/sled-agents/${idOf(2)}`)).toBe(403);
  await approve(1, '127.0.0.2');
  expect(await get(`/sled-agents/${idOf(1)}`), 'from elsewhere than approved').toBe(403);
  for (const path of ['/v1/system/fleet/status', '/metrics', '/certificate', '/'])
    expect(await get(path), path).toBe(404);
});

test('an older registration than the recorded one is refused with the address that counts (S14)', async () => {
  await using started = await startNexus();
  const { register, approve } = started;
  await approve(1);
  const at = (generation: number, port: number) =>
    register(
      1,
      JSON.stringify(
        sledAgentInfo({ generation: asGeneration(generation), sa_address: `127.0.0.1:${port}` }),
      ),
    );
  expect(await at(9, 1)).toMatch(/^204 /);
  expect(await at(8, 2)).toMatch(/^409 REGISTRATION_STALE: .*a later one 9, at 127\.0\.0\.1:1, is recorded/);
  expect(await at(9, 3)).toMatch(/^204 /);
});

test('registrations of one id that change all the time leave the history its other events (CHL1)', async () => {
  // However long they take, they come within one minute.
  await using started = await startNexus({ clock: { ...systemClock, monotonicMs: () => 0 } });
  const { world, nexus, register, approve } = started;
  await approve(1);
  for (let round = 1; round <= 60; round += 1)
    await register(
      1,
      JSON.stringify(sledAgentInfo({ generation: asGeneration(round), sa_address: `127.0.0.1:${round}` })),
    );
  await nexus.services.driver.idle();
  await expect
    .poll(async () => {
      nexus.services.driver.activate('fleet_history');
      await nexus.services.driver.idle();
      const [row] = await world.database.query<{ count: number }>(
        `SELECT count(*)::int FROM fleet_event WHERE kind = 'sled_registered'`,
      );
      return row?.count;
    })
    .toBe(16);
  const { items } = await nexus.fleet.sledList({ query: {} }, wait);
  expect(items[0]?.address).toBe('127.0.0.1:60');
});
