/** What every datastore keeps for the audit log: an entry for each change with an origin, in its transaction, in a chain. */
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { EMPTY_LOG, followChain } from '../../../core/audit-chain.ts';
import { type AuditAction, parseAuditContent } from '../../../core/facts/audit.ts';
import { asGeneration, OperatorTokenId, SledId, TrustRootId } from '../../../core/ids.ts';
import type { Datastore } from '../datastore.ts';
import {
  hashOf,
  insertTrustRoot,
  newId,
  type OpenDatastore,
  originBy,
  registration,
  uploadOf,
  version,
  wait,
} from './records.fixture.ts';

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const audited = () => ({ ...wait, audit: originBy() });
const auditedWith = <F extends object>(facts: F) => ({ ...wait, audit: { ...facts, origin: originBy() } });

/** The actions of the whole log, the oldest first, whose chain is checked on the way. */
const actionsOf = async (datastore: Datastore): Promise<(AuditAction | undefined)[]> => {
  const { items } = await datastore.auditList({ limit: 1000, sortBy: 'seq_ascending' }, wait);
  expect(followChain(EMPTY_LOG, items, sha256)).toEqual({ head: await datastore.auditHead(wait) });
  return items.map(({ content }) => parseAuditContent(content)?.action);
};

export const auditRules = (open: OpenDatastore): void => {
  describe('the audit log', () => {
    test('has who, when, from where and what of a change (T6)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      expect(await datastore.auditHead(wait)).toEqual(EMPTY_LOG);
      const origin = originBy({ kind: 'token', tokenId: newId(OperatorTokenId), role: 'operator' });
      const action = { kind: 'tasks_activated', tasks: ['a', 'b'] } as const;
      await datastore.auditAppend(origin, action, wait);
      const { items } = await datastore.auditList({ limit: 10, sortBy: 'seq_descending' }, wait);
      const { entryId, ...from } = origin;
      expect(parseAuditContent(items[0]!.content)).toEqual({
        id: entryId,
        ...from,
        timeMs: expect.any(Number),
        action,
        details: action,
      });
    });

    test('has an entry for each change with an origin, with what was before, and none without (T6)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const trustRootId = newId(TrustRootId);
      const rootBytes = Buffer.from('root 1');
      await datastore.trustRootInsert({ id: trustRootId, rootBytes }, auditedWith({ rootVersion: 4 }));
      const roots = [{ version: 5, rootBytes: Buffer.from('root 5') }];
      const move = { roots, trustedVersions: null, forgetsVersions: false };
      await datastore.trustRootAdvance(trustRootId, move, audited());
      const release = uploadOf(trustRootId, '1.0.0', ['a'], { overrides: ['it has expired'] });
      const { repo } = await datastore.releaseInsert(release, audited());
      const target = { repoId: repo.id, expectedGeneration: 1 };
      await datastore.targetReleaseSet(target, auditedWith({ isForced: true }));
      await datastore.releaseInsert(uploadOf(trustRootId, '2.0.0', ['b']), wait);
      await datastore.repoPrune(version('2.0.0'), audited());
      const sledId = newId(SledId);
      await datastore.sledUpsert(sledId, registration(), wait);
      await datastore.sledSetPolicy(sledId, 'expunged', audited());
      const nexus = { id: release.nexusId, operatorAddress: '[::1]:80', timeStartedMs: 0 };
      await datastore.nexusHeartbeat(nexus, wait);
      await datastore.nexusExpunge(nexus.id, 0, audited());
      const { generation } = await datastore.currentGeneration(wait);
      const accepted = [{ generation: asGeneration(9), digest: hashOf('another set') }];
      const decided = { excludedSleds: [sledId], givenUp: ['3.0.0'], givenUpTotal: 7 };
      await datastore.generationRaise({ to: asGeneration(10), accepted }, auditedWith(decided));
      const token = { id: newId(OperatorTokenId), role: 'viewer', description: 'of a' } as const;
      const { timeExpiresMs: expiresMs } = await datastore.operatorTokenCreate(
        { ...token, sha256: hashOf('a token'), lifeMs: 60_000 },
        audited(),
      );
      await datastore.operatorTokenRevoke(token.id, audited());
      await datastore.trustRootDelete(trustRootId, audited());
      const { id: tokenId, role, description } = token;
      const [rootSha256, previousRootSha256] = [sha256('root 5'), sha256('root 1')];
      expect(await actionsOf(datastore)).toEqual([
        { kind: 'trust_root_added', trustRootId, rootVersion: 4, rootSha256: previousRootSha256 },
        { kind: 'trust_root_advanced', trustRootId, rootVersions: [5], rootSha256, previousRootSha256 },
        {
          kind: 'release_uploaded',
          systemVersion: '1.0.0',
          uploadId: release.uploadId,
          fileName: release.fileName,
          hash: release.hash,
          hashKind: 'archive',
          wasThere: false,
          overrides: ['it has expired'],
          trustRootId,
          rootVersions: [],
          generation: 2,
          previousGeneration: 1,
        },
        { kind: 'target_release_set', systemVersion: '1.0.0', isForced: true },
        {
          kind: 'release_deleted',
          systemVersion: '2.0.0',
          wasLast: false,
          generation: 4,
          previousGeneration: 3,
        },
        {
          kind: 'sled_policy_set',
          sledId,
          serial: 'BRM42',
          policy: 'expunged',
          previousPolicy: 'in_service',
        },
        { kind: 'nexus_expunged', expungedNexusId: nexus.id, operatorAddress: '[::1]:80' },
        {
          kind: 'generation_recovered',
          generation: 10,
          previousGeneration: generation,
          accepted,
          ...decided,
        },
        { kind: 'token_created', tokenId, role, description, expiresMs },
        { kind: 'token_revoked', tokenId, role, description },
        { kind: 'trust_root_deleted', trustRootId, rootSha256 },
      ]);
    });

    test('has no entry for a change that was refused, or that changed nothing (T6)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const root = await insertTrustRoot(datastore);
      const refusals = [
        datastore.repoPrune(version('1.0.0'), audited()),
        datastore.trustRootAdvance(newId(TrustRootId), noMove, audited()),
        datastore.nexusExpunge(uploadOf(root, '1.0.0', []).nexusId, 0, audited()),
      ];
      for (const refused of await Promise.allSettled(refusals)) expect(refused.status).toBe('rejected');
      expect(await datastore.sledSetPolicy(newId(SledId), 'expunged', audited())).toBe(false);
      expect(await datastore.trustRootDelete(newId(TrustRootId), audited())).toBe(false);
      await datastore.trustRootAdvance(root, noMove, audited());
      expect(await actionsOf(datastore)).toEqual([]);
    });

    test('has one entry for an upload whose request is repeated (P4)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const release = uploadOf(await insertTrustRoot(datastore), '1.0.0', ['a']);
      const options = audited();
      await datastore.releaseInsert(release, options);
      await datastore.releaseInsert(release, options);
      expect(await actionsOf(datastore)).toHaveLength(1);
    });

    test('has one entry that is appended twice under one id, and a later one too (P4)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const origin = originBy();
      const append = (name: string, by = origin) =>
        datastore.auditAppend(by, { kind: 'tasks_activated', tasks: [name] }, wait);
      await append('first');
      await append('first');
      await append('second', originBy());
      expect(await actionsOf(datastore)).toMatchObject([{ tasks: ['first'] }, { tasks: ['second'] }]);
    });

    test('is read in pages, from both ends', async () => {
      await using opened = await open();
      const { datastore } = opened;
      for (const name of ['a', 'b', 'c'])
        await datastore.auditAppend(originBy(), { kind: 'tasks_activated', tasks: [name] }, wait);
      for (const [sortBy, expected] of [
        ['seq_ascending', [1, 2, 3]],
        ['seq_descending', [3, 2, 1]],
      ] as const) {
        const first = await datastore.auditList({ limit: 2, sortBy }, wait);
        const second = await datastore.auditList({ limit: 2, pageToken: first.nextPage, sortBy }, wait);
        expect([...first.items, ...second.items].map(({ seq }) => seq)).toEqual(expected);
        expect(second.nextPage).toBeUndefined();
      }
    });

    test('has its entries one after the other when many change something at once', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const tasks = Array.from({ length: 12 }, (_, n) => `task ${n}`);
      await Promise.all(
        tasks.map(name =>
          datastore.auditAppend(originBy(), { kind: 'tasks_activated', tasks: [name] }, wait),
        ),
      );
      expect(await actionsOf(datastore)).toHaveLength(tasks.length);
    });
  });

  test('the last release is deleted by an admin, by the break-glass token or by no person, and by nobody else (T2)', async () => {
    await using opened = await open();
    const { datastore } = opened;
    const root = await insertTrustRoot(datastore);
    const insert = (text: string) => datastore.releaseInsert(uploadOf(root, text, [text]), wait);
    const prune = (text: string, actor: Parameters<typeof originBy>[0]) =>
      datastore.repoPrune(version(text), { ...wait, audit: originBy(actor) });
    const by = (role: 'operator' | 'admin') =>
      ({ kind: 'token', tokenId: newId(OperatorTokenId), role }) as const;
    await insert('1.0.0');
    await insert('2.0.0');
    await prune('1.0.0', by('operator'));
    await expect(prune('2.0.0', by('operator'))).rejects.toMatchObject({
      code: 'FORBIDDEN',
      message: expect.stringMatching(/^release 2\.0\.0 is the last one: .* needs the role admin/),
    });
    expect(await datastore.repoGetByVersion(version('2.0.0'), wait)).toBeDefined();
    for (const actor of [by('admin'), { kind: 'break_glass' }, { kind: 'nexus' }] as const) {
      await prune('2.0.0', actor);
      await insert('2.0.0');
    }
  });
};

const noMove = { roots: [], trustedVersions: null, forgetsVersions: false };
