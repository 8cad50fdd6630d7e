import { expect, onTestFinished, test } from 'vitest';
import { createTestClock } from '../lib/clock.fixture.ts';
import { silentLogger } from '../lib/log.ts';
import { type Resolve, watchKnownHosts } from './known-hosts.ts';

const MINUTE_MS = 60_000;

const watch = (hosts: readonly string[], resolve: Resolve) => {
  const clock = createTestClock();
  const known = watchKnownHosts(hosts, { clock, log: silentLogger, resolve });
  onTestFinished(() => known[Symbol.dispose]());
  return { clock, addresses: () => [...known.addresses()].sort() };
};

test('a peer that is named by a name is known by its addresses, and follows them (KNH3)', async () => {
  const answers: (readonly string[] | Error)[] = [
    ['192.0.2.1', '::ffff:192.0.2.2', '2001:DB8::1'],
    new Error('the resolver does not answer'),
    ['192.0.2.3'],
  ];
  const { clock, addresses } = watch(['198.51.100.1', 'Nexus.example.'], async name => {
    expect(name).toBe('nexus.example');
    const answer = answers.shift() ?? [];
    if (answer instanceof Error) throw answer;
    return answer;
  });
  const first = ['192.0.2.1', '192.0.2.2', '198.51.100.1', '2001:db8::1'];
  await expect.poll(addresses).toEqual(first);
  await clock.advance(MINUTE_MS);
  expect(addresses(), 'the last answer counts').toEqual(first);
  await clock.advance(MINUTE_MS);
  expect(addresses()).toEqual(['192.0.2.3', '198.51.100.1']);
});

test('a name whose lookup hangs holds up neither the start nor peers with addresses, and is asked once (KNH1, KNH2)', async () => {
  const asked: string[] = [];
  const { clock, addresses } = watch(['a.example', 'b.example', '198.51.100.1'], name => {
    asked.push(name);
    return new Promise(() => undefined);
  });
  await clock.advance(10 * MINUTE_MS);
  expect(addresses()).toEqual(['198.51.100.1']);
  expect(asked).toEqual(['a.example']);
});

test('one name makes only so many addresses known', async () => {
  const { addresses } = watch(['many.example'], async () =>
    Array.from({ length: 100 }, (_, n) => `192.0.2.${n}`),
  );
  await expect.poll(addresses).toHaveLength(16);
});
