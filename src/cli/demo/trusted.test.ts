import { expect, test } from 'vitest';
import type { SledView } from '../../api/operator-fleet-api.ts';
import { testSled } from '../nexus.fixture.ts';
import { trustedText, waitUntilTrusted } from './trusted.ts';

const [ROOT, OLDER, ADMIN] = ['a'.repeat(64), 'b'.repeat(64), 'c'.repeat(64)];
const report = (serial: string, newest = ROOT, more: Partial<SledView> = {}): SledView => ({
  ...testSled(),
  serial,
  require_signed: true,
  trust: { admin_keys: [ADMIN], chains: [{ root_sha256: newest, version: 1, newest_sha256: newest }] },
  ...more,
});

/** Nexus gives one answer after the other, and then the last one forever. */
const waitFor = async (...answers: readonly (readonly SledView[])[]) => {
  let [asked, nowMs] = [0, 0];
  const activated: string[] = [];
  const clock = {
    monotonicMs: () => nowMs,
    sleep: async (ms: number) => {
      nowMs += ms;
    },
  };
  const allSleds = async () => {
    asked += 1;
    return [...(answers[asked - 1] ?? answers.at(-1) ?? [])];
  };
  const debug = {
    bgtaskActivate: async ({ body }: { readonly body: { readonly bgtask_names: readonly string[] } }) =>
      void activated.push(...body.bgtask_names),
  };
  const session = { clock, signal: new AbortController().signal };
  const pinned = { sleds: 2, rootSha256: ROOT, adminKey: ADMIN };
  const trusting = await waitUntilTrusted(session, { allSleds, debug }, pinned);
  expect(activated).toEqual(Array.from({ length: asked }, () => 'tuf_artifact_replication'));
  return { trusting, asked };
};

test('the demo has Nexus ask until every sled says that it requires signatures and has the root (DTR1)', async () => {
  const silent = { ...testSled(), serial: 'b' };
  const answers = [[report('a')], [report('a'), silent], [report('a'), report('b', OLDER)]];
  const both = [report('a'), report('b')];
  expect(await waitFor(...answers, both)).toEqual({ trusting: 2, asked: 4 });
  expect(trustedText(2)).toBe('2 sleds require signatures, and trust it by a statement of the admin key');
  expect(trustedText(1)).toBe('1 sled requires signatures, and trusts it by a statement of the admin key');
});

test('the demo fails, naming the sled, if one stores what nobody signed, or believes another admin key (DTR1)', async () => {
  const trust = { admin_keys: [OLDER], chains: report('b').trust?.chains ?? [] };
  for (const more of [{ require_signed: false }, { trust }])
    await expect(waitFor([report('a'), report('b', ROOT, more)])).rejects.toMatchObject({
      code: 'DEMO_FAILED',
      message: expect.stringMatching(/: b$/),
    });
  await expect(waitFor([report('a')])).rejects.toThrow('1 of 2 are known');
});
