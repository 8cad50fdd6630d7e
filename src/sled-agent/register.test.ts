import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, expect, onTestFinished, test } from 'vitest';
import {
  FLOOR_DIGEST_HEADER,
  GENERATION_FLOOR_HEADER,
  HEADS_HEADER,
  internalApi,
  type SledAgentInfo,
} from '../api/internal-api.ts';
import { asGeneration, SledId } from '../core/ids.ts';
import { seededRng } from '../core/rng.ts';
import type { SledRegistration } from '../core/sled-registration.ts';
import { createApiClient } from '../http/client.ts';
import { bindApi } from '../http/handlers.ts';
import { type ApiServer, serveApi } from '../http/server.ts';
import { type Clock, systemClock } from '../lib/clock.ts';
import { DepotError } from '../lib/errors.ts';
import { silentLogger } from '../lib/log.ts';
import { registrationBody } from '../sled-wire/registration.ts';
import { readAnswer } from '../sled-wire/registration-answer.ts';
import { createRegistration, type RegistrationDependencies } from './register.ts';

const PERIOD_MS = 1e9;
const sledId = SledId.parse('00000000-0000-4000-8000-000000000001');
const nothing: Omit<SledRegistration, 'generation'> = {
  agentAddress: '127.0.0.1:1',
  depotPort: 2,
  role: 'gimlet',
  baseboard: { serial: 's', part: 'p', revision: 0 },
  hardwareThreads: 1,
  physicalRamBytes: 1,
  reservoirBytes: 0,
  cpuFamily: 'unknown',
  isDecommissioned: false,
};

const servers: ApiServer[] = [];
const stops: AbortController[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) stop.abort();
  for (const server of servers.splice(0)) await server[Symbol.asyncDispose]();
});

/** A Nexus that keeps the last registration; `faults` are thrown first, one a registration. */
const startNexus = async ({ floor = '7' as string | null, faults = [] as DepotError[] } = {}) => {
  const seen: SledAgentInfo[] = [];
  const server = await serveApi({
    apis: [
      bindApi(internalApi, {
        async sledAgentGet() {
          const last = seen.at(-1);
          if (last === undefined) throw new DepotError('NOT_FOUND', 'no such sled');
          return last;
        },
        async sledAgentPut({ body, setHeader }) {
          const fault = faults.shift();
          if (fault !== undefined) throw fault;
          seen.push(body);
          if (floor !== null) setHeader(GENERATION_FLOOR_HEADER, floor);
        },
      }),
    ],
    listen: { host: '127.0.0.1', port: 0 },
    log: silentLogger,
  });
  servers.push(server);
  return { seen, faults, url: `http://${server.address}` };
};

/** Waits are a thousandth of what they say. */
const quickClock: Clock = {
  ...systemClock,
  sleep: (ms, { signal }) => delay(ms / 1_000, undefined, { signal }),
};

const register = (urls: readonly string[], own: Partial<RegistrationDependencies> = {}) => {
  const floors: number[] = [];
  const registration = createRegistration({
    sledId,
    peers: urls.map(url => ({ url, client: createApiClient(internalApi, { baseUrl: url }) })),
    isPlain: true,
    doubt: () => undefined,
    info: () => nothing,
    acceptAnswer: async ({ floor }) => {
      floors.push(floor.generation);
    },
    clock: quickClock,
    rng: seededRng(1),
    log: silentLogger,
    periodMs: PERIOD_MS,
    isInTouch: () => false,
    ...own,
  });
  const stop = new AbortController();
  stops.push(stop);
  const ended = registration.run({ signal: stop.signal });
  return { registration, floors, stop, ended };
};

test('a registration brings the floor from the database to the store (P5)', async () => {
  const nexus = await startNexus({ floor: '41' });
  const { floors, stop, ended } = register([nexus.url]);
  await expect.poll(() => floors).toEqual([41]);
  expect(nexus.seen).toEqual([registrationBody({ ...nothing, generation: expect.any(Number) })]);
  stop.abort();
  await ended;
});

test('a sled that Nexuses list registers each tenth period, and one that is not listed any more within a period (SR6)', async () => {
  const nexus = await startNexus();
  let isListed = true;
  const periods: PromiseWithResolvers<void>[] = [];
  const clock: Clock = {
    ...systemClock,
    sleep(_, { signal }) {
      const period = Promise.withResolvers<void>();
      periods.push(period);
      return Promise.race([period.promise, once(signal, 'abort').then(() => undefined)]);
    },
  };
  register([nexus.url], { clock, isInTouch: () => isListed });
  const pass = async (n: number) => {
    await expect.poll(() => periods.length).toBe(n);
    periods.at(-1)?.resolve();
  };
  for (let n = 1; n <= 9; n += 1) await pass(n);
  await expect.poll(() => periods.length).toBe(10);
  expect(nexus.seen).toHaveLength(1);
  await pass(10);
  await expect.poll(() => nexus.seen.length).toBe(2);
  await expect.poll(() => periods.length).toBe(11);
  isListed = false;
  await pass(11);
  await expect.poll(() => nexus.seen.length).toBe(3);
});

test('the Nexus instances are tried in turn, and the next registration goes to another than the last one (SR4)', async () => {
  const [one, other] = [await startNexus(), await startNexus()];
  const asked: string[] = [];
  const log = { ...silentLogger, warn: ({ nexus: url }: { nexus: string }) => asked.push(url) };
  const { registration } = register(['http://127.0.0.1:1', one.url, other.url], { log: log as never });
  await expect.poll(() => one.seen.length).toBe(1);
  expect(asked).toEqual(['http://127.0.0.1:1']);
  registration.changed();
  await expect.poll(() => other.seen.length).toBe(1);
  registration.changed();
  await expect.poll(() => one.seen.length).toBe(2);
  expect(asked).toEqual(['http://127.0.0.1:1', 'http://127.0.0.1:1']);
});

test('a change registers at once, with a higher generation (B16)', async () => {
  const nexus = await startNexus();
  let threads = 1;
  const { registration } = register([nexus.url], {
    info: () => ({ ...nothing, hardwareThreads: threads }),
  });
  await expect.poll(() => nexus.seen.length).toBe(1);
  threads = 2;
  registration.changed();
  await expect.poll(() => nexus.seen.map(info => info.usable_hardware_threads)).toEqual([1, 2]);
  expect(nexus.seen[1]!.generation).toBe(nexus.seen[0]!.generation + 1);
});

test('the registration is repeated each period', async () => {
  const nexus = await startNexus();
  register([nexus.url], { periodMs: 1_000 });
  await expect.poll(() => nexus.seen.length).toBeGreaterThan(3);
  expect(new Set(nexus.seen.map(info => info.generation)).size).toBe(1);
});

test('a failed registration is retried after a back-off that grows, and that begins anew after one that succeeds', async () => {
  const fault = () => new DepotError('DATABASE_UNAVAILABLE', 'no database');
  const nexus = await startNexus({ faults: [1, 2, 3, 4].map(fault) });
  const waits: number[] = [];
  const sleep = (ms: number, { signal }: { signal: AbortSignal }) => {
    if (ms !== PERIOD_MS) waits.push(ms);
    return delay(1, undefined, { signal });
  };
  const { floors } = register([nexus.url], { clock: { ...systemClock, sleep }, periodMs: PERIOD_MS });
  await expect.poll(() => floors[0]).toBe(7);
  const [first = 0, , , fourth = 0] = waits;
  expect(fourth).toBeGreaterThan(2 * first);
  nexus.faults.push(fault());
  await expect.poll(() => waits.length).toBe(5);
  expect(waits[4], 'at most twice as long, by its random part').toBeLessThanOrEqual(2 * first);
});

test('a restart with a clock that was set back still registers with a higher generation (S14)', async () => {
  const nexus = await startNexus();
  const first = register([nexus.url]);
  await expect.poll(() => nexus.seen.length).toBe(1);
  first.stop.abort();
  await first.ended;
  register([nexus.url], { clock: { ...systemClock, nowMs: () => 1_000 } });
  await expect.poll(() => nexus.seen.length).toBe(2);
  expect(nexus.seen[1]!.generation).toBeGreaterThan(nexus.seen[0]!.generation);
});

test('a floor that is not a number is ignored, and another Nexus is asked', async () => {
  const [lying, honest] = [await startNexus({ floor: '1e99' }), await startNexus()];
  const { floors } = register([lying.url, honest.url]);
  await expect.poll(() => floors).toEqual([7]);
});

test('without an identity and without a config, no floor is the floor 0; with a config no floor is accepted (SR5, P5)', async () => {
  const silent = await startNexus({ floor: null });
  const { floors } = register([silent.url]);
  await expect.poll(() => floors).toEqual([0]);
  const head = { generation: asGeneration(3), digest: 'a'.repeat(64), hasLineage: false, isKept: false };
  const warnings: unknown[] = [];
  const log = { ...silentLogger, warn: (facts: unknown) => warnings.push(facts) };
  let doubt: string | undefined = 'a dataset is missing';
  const held = register([silent.url], {
    ...{ info: () => ({ ...nothing, heads: [head] }), doubt: () => doubt, log: log as never },
  });
  await expect.poll(() => silent.seen.length).toBe(2);
  await expect.poll(() => warnings).toEqual([{ nexus: silent.url, reason: 'a dataset is missing' }]);
  doubt = undefined;
  held.registration.changed();
  await expect.poll(() => silent.seen.length).toBe(3);
  expect(held.floors).toEqual([]);
  expect(warnings).toHaveLength(1);
  const reset = register([silent.url], {
    info: () => ({ ...nothing, heads: [{ ...head, hasLineage: true, isKept: true }] }),
  });
  await expect.poll(() => reset.floors).toEqual([0]);
});

test('with an identity a registration without a floor failed, and the next Nexus is asked (SR5, P5)', async () => {
  const [silent, honest] = [await startNexus({ floor: null }), await startNexus()];
  const failures: string[] = [];
  const warn = ({ nexus, err }: { nexus: string; err: DepotError }) => failures.push(`${nexus} ${err.code}`);
  const log = { ...silentLogger, warn };
  const { floors } = register([silent.url, honest.url], { isPlain: false, log: log as never });
  await expect.poll(() => floors).toEqual([7]);
  expect(failures).toEqual([`${silent.url} PEER_BAD_ANSWER`]);
});

test('whatever the code of a 404 is, the sled is not known yet and registers', async () => {
  const seen: unknown[] = [];
  const server = createServer(async (request, response) => {
    if (request.method === 'GET') {
      const error = { request_id: 'r', error_code: 'SLED_BUSY', message: 'not here' };
      response.writeHead(404, { 'content-type': 'application/json' }).end(JSON.stringify(error));
    } else {
      seen.push(await json(request));
      response.writeHead(204).end();
    }
  }).listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const { floors } = register([`http://127.0.0.1:${(server.address() as AddressInfo).port}`]);
  await expect.poll(() => floors).toEqual([0]);
  expect(seen).toHaveLength(1);
});

test('registration ends when its signal aborts, wherever it waits (S15)', async () => {
  const { stop, ended } = register(['http://127.0.0.1:1']);
  await delay(20);
  stop.abort();
  await ended;
});

test('the answer to a registration says for each point of the sled whether the database recorded it (P13)', () => {
  const [known, lost] = [`5:${'a'.repeat(64)}`, `9:${'b'.repeat(64)}`];
  const headers = {
    [GENERATION_FLOOR_HEADER]: '7',
    [FLOOR_DIGEST_HEADER]: 'c'.repeat(64),
    [HEADS_HEADER]: `${known}=known,${lost}=unknown`,
  };
  expect(readAnswer(headers, 'http://nexus')).toEqual({
    floor: { generation: 7, digest: 'c'.repeat(64) },
    verdicts: new Map([
      [known, true],
      [lost, false],
    ]),
  });
  expect(readAnswer({ [GENERATION_FLOOR_HEADER]: '7' }, 'http://nexus')).toEqual({
    floor: { generation: 7, digest: undefined },
    verdicts: undefined,
  });
  expect(readAnswer({}, 'http://nexus'), 'from any other control plane').toBeUndefined();
  for (const [name, value] of [
    [FLOOR_DIGEST_HEADER, 'short'],
    [HEADS_HEADER, `${known}=perhaps`],
    [HEADS_HEADER, 'nothing=known'],
  ] as const)
    expect(() => readAnswer({ ...headers, [name]: value }, 'http://nexus')).toThrow(/http:\/\/nexus sent/);
});

test('a refusal is logged with its remedy, and the registration is tried again with back-off (SR3, T5)', async () => {
  const expunged = new DepotError('SLED_DECOMMISSIONED', 'this sled is expunged');
  const nexus = await startNexus({ faults: [expunged, new DepotError('INVALID_REQUEST', 'no address')] });
  const logged: unknown[] = [];
  const log = { ...silentLogger, error: (facts: unknown, text: string) => logged.push([facts, text]) };
  register([nexus.url], { log: log as never });
  await expect.poll(() => nexus.seen.length).toBe(1);
  const refused = 'Nexus refuses the registration of this sled';
  expect(logged).toMatchObject([
    [{ code: 'SLED_DECOMMISSIONED', remedy: expect.stringContaining('sled set-policy') }, refused],
    [{ code: 'INVALID_REQUEST', remedy: expect.any(String) }, refused],
  ]);
});

/** A Nexus with the registration of a sled whose clock is behind, and what refuses the next one. */
const startBehind = async () => {
  const nexus = await startNexus();
  const recorded = 2e12;
  nexus.seen.push(registrationBody({ ...nothing, generation: asGeneration(recorded) }));
  const { registration } = register([nexus.url], { clock: { ...quickClock, nowMs: () => 1_000 } });
  await expect.poll(() => nexus.seen.length).toBe(2);
  expect(nexus.seen.at(-1)?.generation).toBe(recorded + 1);
  return {
    recorded,
    /** @returns the generation of the next registration, after that of `address` was recorded at a higher one */
    async generationAfter(address: string) {
      nexus.seen.push(registrationBody({ ...nothing, generation: asGeneration(recorded + 9) }));
      const detail = { recorded_address: address };
      nexus.faults.push(new DepotError('REGISTRATION_STALE', 'a later one is recorded', { detail }));
      registration.changed();
      await expect.poll(() => nexus.seen.length).toBe(4);
      return nexus.seen.at(-1)?.generation;
    },
  };
};

test('a later registration at its own address makes a sled register above it (SR1)', async () => {
  const { recorded, generationAfter } = await startBehind();
  expect(await generationAfter(nothing.agentAddress)).toBe(recorded + 10);
});

test('a later registration of another machine is left above that of this sled (SR1)', async () => {
  const { recorded, generationAfter } = await startBehind();
  expect(await generationAfter('127.0.0.1:7')).toBe(recorded + 2);
});

test('a recorded registration that no sled agent sends, or that cannot be read, does not stop a sled', async () => {
  const body = registrationBody({ ...nothing, generation: asGeneration(1) });
  for (const recorded of [
    { ...body, generation: Number.MAX_SAFE_INTEGER },
    { ...body, generation: 1, sa_address: 'not an address' },
  ]) {
    const nexus = await startNexus();
    nexus.seen.push(recorded as never);
    const before = Date.now();
    register([nexus.url]);
    await expect.poll(() => nexus.seen.length).toBe(2);
    expect(nexus.seen[1]?.generation).toBeGreaterThanOrEqual(before);
    expect(nexus.seen[1]?.generation).toBeLessThanOrEqual(Date.now());
  }
});
