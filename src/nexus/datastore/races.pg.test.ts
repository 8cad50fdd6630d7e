/** Several Nexus instances at one database: whatever they do at once has an order in which it could have been done. */
import pg from 'pg';
import { describe, expect, test } from 'vitest';
import { asGeneration, InvitationId, type Point, pointText, RoundNonce, SledId } from '../../core/ids.ts';
import {
  hashOf,
  insertTrustRoot,
  newId,
  originBy,
  plannedBy,
  registration,
  uploadOf,
  version,
  wait,
} from './conformance/records.fixture.ts';
import { createTestDatabase } from './database.fixture.ts';

/** Each round is another chance for an interleaving that breaks a rule. */
const ROUNDS = 8;

const openTwo = async () => {
  const database = await createTestDatabase();
  const one = await database.openDatastore();
  const two = await database.openDatastore();
  const trustRoot = await insertTrustRoot(one);
  return { one, two, trustRoot, [Symbol.asyncDispose]: () => database[Symbol.asyncDispose]() };
};

const codeOf = (outcome: PromiseSettledResult<unknown>): unknown =>
  outcome.status === 'rejected' ? (outcome.reason as { code?: unknown }).code : 'ok';

describe('two at once', () => {
  test('the same new release: one inserts it, both hold it as a local repo (S3)', async () => {
    await using opened = await openTwo();
    const { one, two, trustRoot } = opened;
    for (let round = 1; round <= ROUNDS; round += 1) {
      const text = `${round}.0.0`;
      const outcomes = await Promise.all(
        [one, two].map(nexus => nexus.releaseInsert(uploadOf(trustRoot, text, [text]), wait)),
      );
      expect(outcomes.map(({ status }) => status).sort()).toEqual(['already_exists', 'inserted']);
      expect(new Set(outcomes.map(({ repo }) => repo.id)).size).toBe(1);
      expect(outcomes.map(({ generation }) => generation)).toEqual([round + 1, round + 1]);
      expect(await one.localRepoList(wait)).toHaveLength(2 * round);
    }
  });

  test('uploads leave one entry each in the audit log, in one chain (T6)', async () => {
    await using opened = await openTwo();
    const { one, two, trustRoot } = opened;
    await Promise.all(
      Array.from({ length: ROUNDS }, (_, n) => {
        const release = uploadOf(trustRoot, `${n}.0.0`, [`a${n}`]);
        return [one, two][n % 2]!.releaseInsert(release, { ...wait, audit: originBy() });
      }),
    );
    expect((await one.auditHead(wait)).seq).toBe(ROUNDS);
  });

  test('an upload that waits for the generation has not locked the audit log yet (AE1)', async ({ skip }) => {
    await using database = await createTestDatabase();
    skip(!database.isPostgres, 'pg_stat_activity is of PostgreSQL');
    const datastore = await database.openDatastore();
    const trustRoot = await insertTrustRoot(datastore);
    const locker = new pg.Client({ connectionString: database.connection });
    await locker.connect();
    await locker.query('BEGIN; SELECT generation FROM tuf_current_point FOR UPDATE');
    const upload = datastore.releaseInsert(uploadOf(trustRoot, '1.0.0', ['a']), {
      ...wait,
      audit: originBy(),
    });
    await expect
      .poll(() =>
        database.query(
          "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
        ),
      )
      .not.toEqual([]);
    expect(await database.query('SELECT seq FROM audit_head FOR UPDATE NOWAIT')).toHaveLength(1);
    await locker.end();
    expect(await upload).toMatchObject({ status: 'inserted' });
    expect((await datastore.auditHead(wait)).seq).toBe(1);
  });

  test('two archives of one version: one is recorded, the other is a conflict (CN1)', async () => {
    await using opened = await openTwo();
    const { one, two, trustRoot } = opened;
    for (let round = 1; round <= ROUNDS; round += 1) {
      const text = `${round}.0.0`;
      const outcomes = await Promise.allSettled([
        one.releaseInsert(uploadOf(trustRoot, text, [`${text} of one`]), wait),
        two.releaseInsert(uploadOf(trustRoot, text, [`${text} of two`]), wait),
      ]);
      expect(outcomes.map(codeOf).sort()).toEqual(['RELEASE_CONFLICT', 'ok']);
    }
  });

  test('making a release the target and deleting it never both succeed (S21)', async () => {
    await using opened = await openTwo();
    const { one, two, trustRoot } = opened;
    for (let round = 1; round <= ROUNDS; round += 1) {
      const text = `${round}.0.0`;
      const { repo } = await one.releaseInsert(uploadOf(trustRoot, text, [text]), wait);
      const { generation } = await one.targetReleaseGet(wait);
      const outcomes = await Promise.allSettled([
        one.targetReleaseSet({ repoId: repo.id, expectedGeneration: generation }, wait),
        two.repoPrune(version(text), wait),
      ]);
      expect([
        ['ok', 'RELEASE_IN_USE'],
        ['TARGET_RELEASE_REFUSED', 'ok'],
      ]).toContainEqual(outcomes.map(codeOf));
    }
  });

  test('the target release: one sets it, the other is refused', async () => {
    await using opened = await openTwo();
    const { one, two, trustRoot } = opened;
    const first = await one.releaseInsert(uploadOf(trustRoot, '1.0.0', ['a']), wait);
    const second = await one.releaseInsert(uploadOf(trustRoot, '2.0.0', ['b']), wait);
    for (let generation = 1; generation <= ROUNDS; generation += 1) {
      const outcomes = await Promise.allSettled([
        one.targetReleaseSet({ repoId: first.repo.id, expectedGeneration: generation }, wait),
        two.targetReleaseSet({ repoId: second.repo.id, expectedGeneration: generation }, wait),
      ]);
      expect(outcomes.map(codeOf).sort()).toEqual(['TARGET_RELEASE_REFUSED', 'ok']);
    }
  });

  test('registrations of one sled: the newest generation stays (S14)', async () => {
    await using opened = await openTwo();
    const { one, two } = opened;
    const id = newId(SledId);
    const generations = Array.from({ length: 12 }, (_, index) => index + 1);
    await Promise.all(
      generations.map((generation, index) =>
        [one, two][index % 2]!.sledUpsert(
          id,
          registration({ generation: generation as never, depotPort: generation }),
          wait,
        ),
      ),
    );
    expect((await one.sledGet(id, wait))?.info).toMatchObject({ generation: 12, depotPort: 12 });
  });

  test('joins with one invitation: exactly one key has it, and the other learns so (JD1)', async () => {
    await using opened = await openTwo();
    const { one, two } = opened;
    for (let round = 1; round <= ROUNDS; round += 1) {
      const sha256 = hashOf(`token ${round}`);
      const invitation = {
        id: newId(InvitationId),
        sha256,
        sledId: null,
        replacesSledId: null,
        serial: null,
      };
      await one.invitationCreate({ ...invitation, lifeMs: 60_000 }, wait);
      const join = (nexus: typeof one, key: string) => {
        const publicKeySha256 = hashOf(`${key} ${round}`);
        const request = {
          sha256,
          publicKeySha256,
          newSledId: newId(SledId),
          presentSledId: undefined,
          serial: undefined,
        };
        return nexus.sledJoin(request, wait);
      };
      const outcomes = await Promise.allSettled([join(one, 'a'), join(two, 'b'), join(one, 'c')]);
      expect(outcomes.map(codeOf).sort()).toEqual(['INVITATION_USED', 'INVITATION_USED', 'ok']);
    }
  });

  test('joins of one key with two invitations: it becomes one sled (JD2)', async () => {
    await using opened = await openTwo();
    const { one, two } = opened;
    for (let round = 1; round <= ROUNDS; round += 1) {
      const publicKeySha256 = hashOf(`key ${round}`);
      const join = async (nexus: typeof one, name: string) => {
        const sha256 = hashOf(`${name} ${round}`);
        const invitation = {
          id: newId(InvitationId),
          sha256,
          sledId: null,
          replacesSledId: null,
          serial: null,
        };
        await nexus.invitationCreate({ ...invitation, lifeMs: 60_000 }, wait);
        const request = {
          sha256,
          publicKeySha256,
          newSledId: newId(SledId),
          presentSledId: undefined,
          serial: undefined,
        };
        return await nexus.sledJoin(request, wait);
      };
      const outcomes = await Promise.allSettled([join(one, 'a'), join(two, 'b')]);
      expect(outcomes.map(codeOf).sort()).toEqual(['SLED_KEY_IN_USE', 'ok']);
    }
  });
});

describe('many at once', () => {
  test('the generation counts the changes of the wanted set, no more and no fewer (B4)', async () => {
    await using opened = await openTwo();
    const { one, two, trustRoot } = opened;
    const count = 24;
    // Every third one lists only what all list: at most the first of all changes the set by that.
    const outcomes = await Promise.all(
      Array.from({ length: count }, (_, index) => {
        const own = index % 3 === 0 ? [] : [`own ${index}`];
        const release = uploadOf(trustRoot, `1.0.${index}`, ['shared', ...own]);
        return [one, two][index % 2]!.releaseInsert(release, wait);
      }),
    );
    const { generation, artifacts, releases } = await two.wantedSet(wait);
    expect(releases).toHaveLength(count);
    expect(artifacts.size).toBe(1 + (count * 2) / 3);
    // Each change has a generation of its own, and the outcomes leave no gap.
    const told = new Set(outcomes.map(outcome => outcome.generation));
    expect([...told].sort((a, b) => a - b)).toEqual(
      Array.from({ length: generation - 1 }, (_, index) => index + 2),
    );
    const changes = (count * 2) / 3;
    expect([changes, changes + 1]).toContain(generation - 1);
  });

  test('insertions and deletions in any order leave generation, digest and set in agreement (B4)', async () => {
    await using opened = await openTwo();
    const { one, two, trustRoot } = opened;
    const versions = ['1.0.0', '2.0.0', '3.0.0'];
    const contents = [['a', 'b'], ['b', 'c'], ['c']];
    for (let round = 0; round < ROUNDS; round += 1) {
      const before = await one.currentGeneration(wait);
      const outcomes = await Promise.allSettled(
        versions.flatMap((text, index) => [
          one.releaseInsert(uploadOf(trustRoot, text, contents[index]!), wait),
          two.repoPrune(version(text), wait),
        ]),
      );
      for (const outcome of outcomes) expect(['ok', 'NOT_FOUND']).toContain(codeOf(outcome));
      // wantedSet compares the digest itself.
      const after = await two.wantedSet(wait);
      expect(after.generation).toBeGreaterThanOrEqual(before.generation);
      expect(after.generation - before.generation).toBeLessThanOrEqual(outcomes.length);
      if (after.generation === before.generation) expect(after.digest).toBe(before.digest);
    }
  });
});

describe('raising the generation for sleds', () => {
  test('two at once for one sled: one is granted, the other is refused (P13)', async () => {
    await using opened = await openTwo();
    const { one, two } = opened;
    for (let round = 1; round <= ROUNDS; round += 1) {
      const sledId = newId(SledId);
      const before = await one.currentGeneration(wait);
      const to = (by: number) => asGeneration(before.generation + by);
      const outcomes = await Promise.all([
        one.generationMend({ to: to(5), sledId }, wait),
        two.generationMend({ to: to(10), sledId }, wait),
      ]);
      const [granted, ...more] = outcomes.filter(outcome => outcome !== undefined);
      expect(more).toEqual([]);
      expect(await two.currentGeneration(wait)).toEqual(granted);
    }
  });

  test('while releases are recorded: every point that was ever current is recorded (P13)', async () => {
    await using opened = await openTwo();
    const { one, two, trustRoot } = opened;
    const points: Point[] = [];
    for (let round = 1; round <= ROUNDS; round += 1) {
      const before = await one.currentGeneration(wait);
      const to = asGeneration(before.generation + 10);
      const accepted = [{ generation: before.generation, digest: hashOf(`lost ${round}`) }];
      const [inserted, mended] = await Promise.all([
        one.releaseInsert(uploadOf(trustRoot, `1.0.${round}`, [`own ${round}`]), wait),
        two.generationMend({ to, sledId: newId(SledId) }, wait),
        two.generationRaise({ to: asGeneration(to + 10), accepted }, wait),
      ]);
      const now = await one.currentGeneration(wait);
      expect(now.generation).toBeGreaterThanOrEqual(inserted.generation);
      points.push(now, ...accepted, ...(mended === undefined ? [] : [mended]));
    }
    const claims = points.map(point => ({ ...point, hasLineage: true }));
    const { lineage } = await two.pointsRecorded(claims, wait);
    expect(lineage.recorded).toEqual(new Set(points.map(pointText)));
  });
});

describe('dropping a local repo (P1)', () => {
  test('while another release is recorded: dropped before it, or kept after it', async () => {
    await using opened = await openTwo();
    const { one, two, trustRoot } = opened;
    for (let round = 1; round <= ROUNDS; round += 1) {
      const release = uploadOf(trustRoot, `1.0.${round}`, [`held ${round}`]);
      const { generation } = await one.releaseInsert(release, wait);
      const { uploadId, nexusId } = release;
      const planned = await plannedBy(one, nexusId);
      const [drop, insert] = await Promise.all([
        one.localRepoDrop({ uploadId, nexusId, planned }, wait),
        two.releaseInsert(uploadOf(trustRoot, `2.0.${round}`, [`other ${round}`]), wait),
      ]);
      expect(insert.generation).toBe(generation + 1);
      const rows = await one.localRepoList({ ...wait, nexusId });
      expect(rows).toHaveLength(drop.kind === 'kept' ? 1 : 0);
    }
  });

  test('while its release is deleted and uploaded again: the new upload is never dropped with it', async () => {
    await using opened = await openTwo();
    const { one, two, trustRoot } = opened;
    for (let round = 1; round <= ROUNDS; round += 1) {
      const text = `1.0.${round}`;
      const first = uploadOf(trustRoot, text, [text]);
      const again = uploadOf(trustRoot, text, [text], { nexusId: first.nexusId });
      const { repo } = await one.releaseInsert(first, wait);
      const { uploadId, nexusId } = first;
      const planned = await plannedBy(one, nexusId);
      await Promise.all([
        one.localRepoDrop({ uploadId, nexusId, planned }, wait),
        two.repoPrune(version(text), wait).then(() => two.releaseInsert(again, wait)),
      ]);
      const rows = await one.localRepoList({ ...wait, nexusId });
      expect(rows).toContainEqual(expect.objectContaining({ uploadId: again.uploadId, repoId: repo.id }));
      expect(await one.repoGetByVersion(version(text), wait)).toMatchObject({ id: repo.id });
    }
  });

  test('while its Nexus begins another round: dropped before it, or kept after it (P13)', async () => {
    await using opened = await openTwo();
    const { one, two, trustRoot } = opened;
    for (let round = 1; round <= ROUNDS; round += 1) {
      const release = uploadOf(trustRoot, `1.0.${round}`, [`held ${round}`]);
      await one.releaseInsert(release, wait);
      const { uploadId, nexusId } = release;
      const planned = await plannedBy(one, nexusId);
      const [drop] = await Promise.all([
        one.localRepoDrop({ uploadId, nexusId, planned }, wait),
        two.nexusBeginRound(nexusId, newId(RoundNonce), wait),
      ]);
      expect(await one.localRepoList({ ...wait, nexusId })).toHaveLength(drop.kind === 'dropped' ? 0 : 1);
      expect(await one.localRepoDrop({ uploadId, nexusId, planned }, wait)).toMatchObject({
        kind: drop.kind === 'dropped' ? 'absent' : 'kept',
      });
    }
  });

  test('while its release is deleted: dropped before it, or kept after it and dropped at the new generation', async () => {
    await using opened = await openTwo();
    const { one, two, trustRoot } = opened;
    for (let round = 1; round <= ROUNDS; round += 1) {
      const text = `1.0.${round}`;
      const release = uploadOf(trustRoot, text, [text]);
      await one.releaseInsert(release, wait);
      const { uploadId, nexusId } = release;
      const planned = await plannedBy(one, nexusId);
      const [drop] = await Promise.all([
        one.localRepoDrop({ uploadId, nexusId, planned }, wait),
        two.repoPrune(version(text), wait),
      ]);
      if (drop.kind === 'dropped') continue;
      expect(drop.kind).toBe('kept');
      const later = { uploadId, nexusId, planned: await plannedBy(one, nexusId) };
      expect(await one.localRepoDrop(later, wait)).toEqual({ kind: 'dropped' });
    }
  });
});
