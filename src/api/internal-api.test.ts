import fc from 'fast-check';
import { expect, test } from 'vitest';
import { endpointUrl, formatAddress, splitAddress } from '../lib/endpoint.ts';
import { SledAgentInfo } from './internal-api.ts';
import { sledAgentInfo } from './sled-agent-info.fixture.ts';
import { SocketAddressText } from './socket-address.ts';

const isAccepted = (differing: object): boolean =>
  SledAgentInfo.safeParse({ ...sledAgentInfo(), ...differing }).success;

test('an address at which no server can be is refused (T5)', () => {
  for (const text of [
    'not an address',
    '',
    '127.0.0.1',
    '127.0.0.1:0',
    '127.0.0.1:65536',
    '127.0.0.1:1/path',
    'user@127.0.0.1:1',
    'http://127.0.0.1:1',
    '[127.0.0.1]:1',
    '::1:1',
    '[::1]',
    '[fe80::1%eth0]:1',
    '0.0.0.0:1',
    '[::]:1',
    '[::ffff:0.0.0.0]:1',
    '[::ffff:0:0]:1',
    'sled-1.example:12345',
    'localhost:1',
    '[0:0:0:0:0:0:0:0]:1',
    '1.2.3:1',
    '0x7f000001:1',
    'a.0x1:1',
    '127.0.0.1:01',
    '1.2.3.4.5:1',
    '256.1.1.1:1',
    '-a.example:1',
    'a..example:1',
    'a example:1',
    `${'a'.repeat(64)}.example:1`,
  ])
    expect([text, isAccepted({ sa_address: text })]).toEqual([text, false]);
  for (const text of ['192.0.2.1:12345', '[2001:db8::1]:1', '[::1]:65535'])
    expect([text, isAccepted({ sa_address: text })]).toEqual([text, true]);
});

test('every accepted address is one that Nexus can connect to as it is written', () => {
  const texts = fc.oneof(
    fc
      .tuple(
        fc.oneof(
          fc.ipV4(),
          fc.domain(),
          fc.ipV6().map(ip => `[${ip}]`),
        ),
        fc.nat(70_000),
      )
      .map(parts => parts.join(':')),
    fc.stringMatching(/^[[\]:.0-9a-fx]{1,20}:\d{1,5}$/),
    fc.string(),
  );
  fc.assert(
    fc.property(texts, text => {
      if (!SocketAddressText.safeParse(text).success) return;
      expect(formatAddress(splitAddress(text))).toBe(text);
      const url = endpointUrl({ scheme: 'http', ...splitAddress(text) });
      expect(URL.canParse(url)).toBe(true);
      const { pathname, username, search } = new URL(url);
      expect([pathname, username, search]).toEqual(['/', '', '']);
    }),
    { numRuns: 3_000 },
  );
});

test('a registration without a serial number, or with one that a list would show as another, is refused', () => {
  for (const serial of [
    '',
    '\u0000',
    'a\nb',
    'a\u202eb',
    'a\u200bb',
    'a\u00a0b',
    'a\u2028b',
    'a\u115fb',
    'x'.repeat(257),
    '\ud800',
  ])
    expect([serial, isAccepted({ baseboard: { serial, part: 'p', revision: 0 } })]).toEqual([serial, false]);
  expect(isAccepted({ baseboard: { serial: 'BRM 42-é', part: '', revision: 0 } })).toBe(true);
});

test('every list and every text of a registration has a bound', () => {
  const dataset = { id: null, path: '/m2', state: 'ok' };
  expect(isAccepted({ datasets: Array(64).fill(dataset) })).toBe(true);
  expect(isAccepted({ datasets: Array(65).fill(dataset) })).toBe(false);
  expect(isAccepted({ datasets: [{ ...dataset, path: 'x'.repeat(1_025) }] })).toBe(false);
  expect(isAccepted({ datasets: [{ ...dataset, message: 'x'.repeat(513) }] })).toBe(false);
  const head = { generation: 1, config_digest: 'a'.repeat(64), lineage: true, kept: false };
  expect(isAccepted({ heads: Array(96).fill(head) })).toBe(true);
  expect(isAccepted({ heads: Array(97).fill(head) })).toBe(false);
});
