/** Following an upstream repository: a real server, a real Nexus, and every way in which the two are interrupted. */
import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { SourceView } from '../../../api/operator-source-api.ts';
import { parseBundle } from '../../../bundle/bundle.ts';
import { SystemVersion } from '../../../core/ids.ts';
import { makeTestRepository, type TestReleaseOptions } from '../../../signing/release.fixture.ts';
import { keysForAllRoles } from '../../../signing/sign-metadata.ts';
import { generateSigningKey, type SigningKey } from '../../../signing/signing-keys.ts';
import { type RepositoryServer, serveRepository } from '../../../source/repository-server.fixture.ts';
import { storedPartBytes } from '../../../source/stored-part.fixture.ts';
import { makeRepository, repositoryFiles } from '../../../tuf/repository.fixture.ts';
import { createTestWorld, type TestNexus, type TestWorld } from '../../process/nexus.fixture.ts';

const { signal } = new AbortController();
const wait = { signal };
const keys = keysForAllRoles([generateSigningKey()]);

let world: TestWorld;
let server: RepositoryServer;
beforeEach(async () => {
  world = await createTestWorld();
  server = await serveRepository();
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await world[Symbol.asyncDispose]();
});

const versions = (of: number) => ({ timestamp: of, snapshot: of, targets: of });
const repository = (options: TestReleaseOptions) =>
  makeTestRepository({ keys, artifacts: [{ sizeBytes: 400_000 }, { sizeBytes: 10 }], ...options });
const startNexus = (more: object = {}) =>
  world.startNexus({
    config: { source: [{ name: 'vendor', url: server.url, period_secs: 86_400, ...more }] },
  });
const look = async (nexus: TestNexus): Promise<SourceView> => {
  await nexus.sources.sourceSync({ body: { source: 'vendor' } }, wait);
  return settled(nexus, 'vendor');
};
const settled = async (nexus: TestNexus, name: string): Promise<SourceView> => {
  for (;;) {
    const view = await nexus.sources.sourceView({ params: { name } }, wait);
    if (view.state !== 'syncing' && view.state !== 'waiting') return view;
    await delay(20);
  }
};
const releaseOf = (nexus: TestNexus, version: string) =>
  nexus.operator.repositoryView({ params: { system_version: version } }, wait);
const targetRequests = () => server.requests.filter(request => request.startsWith('GET /targets/'));

test('each new version upstream becomes a release, once, without an upload (S18)', async () => {
  const first = await repository({ systemVersion: '1.0.0' });
  server.publish(first.files);
  const nexus = await startNexus();
  expect(await look(nexus)).toMatchObject({ state: 'refused', error: { code: 'NO_TRUST_ROOT' } });
  await nexus.trust(first);
  expect(await look(nexus)).toMatchObject({ state: 'current', system_version: '1.0.0' });
  expect(await releaseOf(nexus, '1.0.0')).toMatchObject({ hash_kind: 'targets', artifact_count: 2 });
  expect(nexus.services.staging.held()).toHaveLength(1);
  expect(await readdir(join(nexus.stagingDirectory, 'sources'))).toEqual([]);

  const before = targetRequests().length;
  await look(nexus);
  // Only the document, which says what the release is.
  expect(targetRequests().length).toBe(before + 1);

  server.publish((await repository({ systemVersion: '2.0.0', versions: versions(2) })).files);
  expect(await look(nexus)).toMatchObject({ state: 'current', system_version: '2.0.0' });
  expect((await nexus.operator.repositoryList({ query: {} }, wait)).items).toHaveLength(2);
});

test('a release that was recorded without its metadata gets its bundle from upstream, and a newer one when it is signed anew (SY2)', async () => {
  const bundle = async () => {
    const [row] = await world.database.query<{ kind: string; content: Buffer }>(
      'SELECT kind, content FROM tuf_repo_bundle',
    );
    return row === undefined ? undefined : { kind: row.kind, ...parseBundle(row.content) };
  };
  const first = await repository({ systemVersion: '1.0.0' });
  server.publish(first.files);
  const nexus = await startNexus();
  await nexus.trust(first);
  await look(nexus);
  const recorded = await bundle();
  expect(recorded).toMatchObject({ kind: 'signed', unsigned: new Map() });

  // As a Nexus of an earlier version, which kept no archive, leaves it.
  await world.database.query(`UPDATE tuf_repo_bundle SET kind = 'unsigned', sha256 = repeat('0', 64)`);
  await look(nexus);
  expect(await bundle()).toEqual(recorded);

  server.publish((await repository({ systemVersion: '1.0.0', versions: versions(2) })).files);
  await look(nexus);
  const renewed = await bundle();
  expect(renewed?.kind).toBe('signed');
  expect(renewed?.metadata.get('timestamp.json')).toMatch(/"version": ?2,/);
});

test('signed anew it is the same release, and a deleted one does not come back (SY2)', async () => {
  const first = await repository({ systemVersion: '1.0.0' });
  server.publish(first.files);
  const nexus = await startNexus();
  await nexus.trust(first);
  await look(nexus);
  const again = await repository({ systemVersion: '1.0.0', versions: versions(2) });
  server.publish(again.files);
  expect(await look(nexus)).toMatchObject({ state: 'current', system_version: '1.0.0' });
  // The trust root remembers what was signed last.
  server.publish(first.files);
  expect(await look(nexus)).toMatchObject({ state: 'refused', error: { code: 'METADATA_ROLLBACK' } });

  server.publish(again.files);
  await nexus.operator.repositoryDelete({ params: { system_version: '1.0.0' } }, wait);
  expect(await look(nexus)).toMatchObject({ state: 'current', deleted_here: true });
  await expect(releaseOf(nexus, '1.0.0')).rejects.toMatchObject({ code: 'NOT_FOUND' });

  const other = { systemVersion: '1.0.0', contentSeed: 'other', versions: versions(3) };
  server.publish((await repository(other)).files);
  expect(await look(nexus)).toMatchObject({ state: 'refused', error: { code: 'RELEASE_CONFLICT' } });
});

const plainOf = (key: SigningKey, content: string) => {
  const made = makeRepository({ key, targets: { targets: [['x.bin', content]], version: 7 } });
  return { trustRoot: made.root, files: repositoryFiles(made, { 'x.bin': content }) };
};

test('a changed delegated role under an unchanged targets.json is a new release, and is fetched (SY2)', async () => {
  const key = generateSigningKey();
  const make = (version: number, content: string) => {
    const made = makeRepository({
      key,
      targets: { delegations: [{ to: 'team ü', keys: [key], paths: ['team/*'] }] },
      roles: { 'team ü': { targets: [['team/x.bin', content]], version, signers: [key] } },
      versions: { timestamp: version, snapshot: version },
    });
    return { trustRoot: made.root, files: repositoryFiles(made, { 'team/x.bin': content }) };
  };
  const first = make(1, 'first');
  server.publish(first.files);
  const nexus = await startNexus();
  await nexus.trust(first);
  const before = await look(nexus);
  server.publish(make(2, 'second').files);
  const after = await look(nexus);
  expect([before, after]).toMatchObject([{ state: 'current' }, { state: 'current' }]);
  expect(after.system_version).not.toBe(before.system_version);
  const { items } = await nexus.operator.repositoryList({ query: {} }, wait);
  expect(items.map(item => item.system_version).sort()).toEqual(
    [before, after].map(view => view.system_version).sort(),
  );
  // Looked at again it is known, by the hash of all that names its targets.
  const requests = targetRequests().length;
  expect(await look(nexus)).toMatchObject({ state: 'current', system_version: after.system_version });
  expect(targetRequests().length).toBe(requests);
});

test('a role that is only signed anew is no new release, and nothing of it is fetched again (SY2)', async () => {
  const key = generateSigningKey();
  const make = (version: number, content = 'same') => {
    const made = makeRepository({
      key,
      targets: { delegations: [{ to: 'team', keys: [key], paths: ['team/*'] }] },
      roles: { team: { targets: [['team/x.bin', content]], version, signers: [key] } },
      versions: { timestamp: version, snapshot: version },
    });
    return { trustRoot: made.root, files: repositoryFiles(made, { 'team/x.bin': content }) };
  };
  const first = make(1);
  server.publish(first.files);
  const nexus = await startNexus();
  await nexus.trust(first);
  const { system_version } = await look(nexus);
  const requests = targetRequests().length;
  server.publish(make(2).files);
  expect(await look(nexus)).toMatchObject({ state: 'current', system_version });
  expect(targetRequests().length).toBe(requests);
  // The versions of what was signed last count.
  server.publish(first.files);
  expect(await look(nexus)).toMatchObject({ state: 'refused', error: { code: 'METADATA_ROLLBACK' } });
  server.publish(make(3, 'other').files);
  expect((await look(nexus)).system_version).not.toBe(system_version);
});

test('plain repositories of two signers with one version number are two releases (RLI2)', async () => {
  const [a, b] = [plainOf(generateSigningKey(), 'a'), plainOf(generateSigningKey(), 'b')];
  server.publish(a.files);
  const nexus = await startNexus();
  await nexus.trust(a);
  await nexus.trust(b);
  const first = await look(nexus);
  server.publish(b.files);
  expect(await look(nexus)).toMatchObject({ state: 'current' });
  server.publish(a.files);
  expect(await look(nexus)).toMatchObject({ state: 'current', system_version: first.system_version });
  expect((await nexus.operator.repositoryList({ query: {} }, wait)).items).toHaveLength(2);
});

test('a release that an earlier version named is known by its metadata, and keeps its name (CN2)', async () => {
  const made = plainOf(generateSigningKey(), 'a');
  server.publish(made.files);
  const nexus = await startNexus();
  await nexus.trust(made);
  await look(nexus);
  await world.database.query(`UPDATE tuf_repo SET system_version = '0.0.0-targets.7', time_pruned = NULL`);
  expect(await look(nexus)).toMatchObject({ state: 'current', system_version: '0.0.0-targets.7' });
});

test('retention keeps what a followed source has, and what it deleted is fetched again; what a person deleted is not (SY2)', async () => {
  const made = await repository({ systemVersion: '1.0.0' });
  server.publish(made.files);
  const nexus = await startNexus();
  await nexus.trust(made);
  await look(nexus);
  const datastore = await world.database.openDatastore();
  expect(await datastore.releasesFollowed(wait)).toMatchObject([{ sourceName: 'vendor' }]);
  await datastore.repoPrune(SystemVersion.parse('1.0.0'), { ...wait, prunedBy: 'retention' });
  expect(await look(nexus)).toMatchObject({ state: 'current', fetched_again: true, deleted_here: false });
  expect(await releaseOf(nexus, '1.0.0')).toMatchObject({ artifact_count: 2 });
  await datastore.repoPrune(SystemVersion.parse('1.0.0'), wait);
  expect(await look(nexus)).toMatchObject({ state: 'current', deleted_here: true });
});

test('what others read is followed: a SHA-512 alone, a target that nothing proves, one outside of its paths; the release names both (DO1, DO4)', async () => {
  const key = generateSigningKey();
  const sha512 = createHash('sha512').update('by sha512').digest('hex');
  const made = makeRepository({
    key,
    targets: {
      delegations: [{ to: 'team', keys: [key], paths: ['team/*'] }],
      edit(signed) {
        signed.targets = {
          'a.bin': { length: 9, hashes: { sha512 } },
          'b.bin': { length: 9, hashes: { 'blake2b-256': 'ab' } },
        };
      },
    },
    roles: { team: { targets: [['elsewhere/c.bin', 'c']], signers: [key] } },
  });
  const files = new Map(repositoryFiles(made, {}));
  files.set(`repo/targets/${sha512}.a.bin`, Buffer.from('by sha512'));
  server.publish(files);
  const nexus = await startNexus();
  await nexus.trust({ trustRoot: made.root });
  const { state, system_version = '' } = await look(nexus);
  expect(state).toBe('current');
  const { left_out, artifact_count } = await releaseOf(nexus, system_version);
  expect(artifact_count).toBe(1);
  expect(left_out).toMatchObject([
    { target_name: 'b.bin', code: 'unknown_hashes' },
    { target_name: 'elsewhere/c.bin', code: 'outside_paths' },
  ]);
  const { items } = await nexus.operator.repositoryArtifacts({ params: { system_version }, query: {} }, wait);
  const sha256 = createHash('sha256').update('by sha512').digest('hex');
  expect(items).toMatchObject([{ target_name: 'a.bin', sha256 }]);
});

test('rolled back, frozen and mixed upstreams are refused, with the reason in the status (SY4)', async () => {
  const second = await repository({ systemVersion: '2.0.0', versions: versions(2) });
  server.publish(second.files);
  const nexus = await startNexus();
  await nexus.trust(second);
  await look(nexus);

  const upstreams = {
    METADATA_ROLLBACK: await repository({ systemVersion: '1.0.0' }),
    METADATA_EXPIRED: await repository({
      systemVersion: '3.0.0',
      versions: versions(3),
      expired: ['timestamp'],
    }),
    METADATA_MISMATCH: await repository({
      systemVersion: '3.0.0',
      versions: versions(3),
      tamper: files =>
        files.set('repo/metadata/snapshot.json', second.files.get('repo/metadata/snapshot.json')!),
    }),
  };
  for (const [code, { files }] of Object.entries(upstreams)) {
    server.publish(files);
    const { error, state } = await look(nexus);
    expect({ code: error?.code, state }).toEqual({ code, state: 'refused' });
    expect(error?.report.at(-1)).toMatchObject({ outcome: 'failed' });
    const { reasons, verdict } = await nexus.fleet.fleetStatus({}, wait);
    expect(verdict).toBe('degraded');
    expect(reasons).toContainEqual(expect.objectContaining({ code: 'SOURCE_REFUSED' }));
  }
  server.publish(second.files);
  expect(await look(nexus)).toMatchObject({ state: 'current' });
});

const storedBytes = () => storedPartBytes(join(world.directory, 'nexus-staging', 'sources'));

/** Cut any earlier, the client may not have read all that was sent. */
const destroyOnceStored = async (response: ServerResponse, bytes: number): Promise<void> => {
  while (!response.destroyed && (await storedBytes()) < bytes) await delay(5);
  response.destroy();
};

/** Cuts each connection for the large target after some more bytes. */
const cutting = (bytes: Uint8Array, stepBytes: number, etag: string) => {
  let cuts = 0;
  return {
    cuts: () => cuts,
    behave: (request: IncomingMessage, response: ServerResponse): void => {
      cuts += 1;
      const first = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
      const head = { etag, 'content-length': bytes.length - first };
      const range = { 'content-range': `bytes ${first}-${bytes.length - 1}/${bytes.length}` };
      response.writeHead(first === 0 ? 200 : 206, first === 0 ? head : { ...head, ...range });
      const isLast = first + stepBytes >= bytes.length;
      response.write(bytes.subarray(first, first + stepBytes));
      if (isLast) response.end();
      else void destroyOnceStored(response, first + stepBytes);
    },
  };
};

test('a sync that is killed again and again resumes, and ends as a release (SY3)', async () => {
  const release = await repository({ systemVersion: '1.0.0' });
  server.publish(release.files);
  const large = [...server.files].find(([, bytes]) => bytes.length === 400_000)!;
  const cut = cutting(large[1], 150_000, '"the one"');
  server.odd.set(large[0], cut.behave);
  let nexus = await startNexus();
  await nexus.trust(release);
  const failed = { state: 'failed', error: { code: expect.stringMatching(/^PEER_/) } };
  let seen = await look(nexus);
  // A Nexus may look once more by itself before it is killed: how many lives it takes is up to the machine.
  for (let lives = 1; seen.state !== 'current' && lives <= 3; lives += 1) {
    expect(seen).toMatchObject(failed);
    await nexus[Symbol.asyncDispose]();
    nexus = await startNexus();
    seen = await settled(nexus, 'vendor');
  }
  expect(seen).toMatchObject({ state: 'current', system_version: '1.0.0' });
  expect(cut.cuts()).toBe(3);
  const ranges = server.requests.filter(request => request.includes('bytes='));
  expect(ranges.map(request => request.split(' ').at(-1))).toEqual(['bytes=150000-', 'bytes=300000-']);
});

test('a sync that is stopped in the middle of a target resumes after the start by itself (SY3)', async () => {
  const release = await repository({ systemVersion: '1.0.0' });
  server.publish(release.files);
  const large = [...server.files].find(([, bytes]) => bytes.length === 400_000)!;
  const half = Promise.withResolvers<void>();
  server.odd.set(large[0], (_, response) => {
    response.writeHead(200, { etag: '"the one"', 'content-length': 400_000 });
    response.write(large[1].subarray(0, 200_000), () => half.resolve());
  });
  let nexus = await startNexus();
  await nexus.trust(release);
  await nexus.sources.sourceSync({ body: { source: 'vendor' } }, wait);
  await half.promise;
  await expect.poll(storedBytes).toBe(200_000);
  await nexus[Symbol.asyncDispose]();
  expect(await storedBytes()).toBe(200_000);

  server.odd.set(large[0], cutting(large[1], 400_000, '"the one"').behave);
  nexus = await startNexus();
  expect(await settled(nexus, 'vendor')).toMatchObject({ state: 'current', system_version: '1.0.0' });
  expect(server.requests.filter(request => request.includes('bytes='))).toEqual([
    expect.stringContaining('bytes=200000-'),
  ]);
});

test('a version that changes half way is refused or fetched whole, never mixed', async () => {
  const [one, two] = [
    await repository({ systemVersion: '1.0.0' }),
    await repository({ systemVersion: '2.0.0', versions: versions(2) }),
  ];
  server.publish(one.files);
  const nexus = await startNexus();
  await settled(nexus, 'vendor'); // it looks by itself when it starts, and must not be the one that meets the change
  await nexus.trust(one);
  const large = [...server.files].find(([, bytes]) => bytes.length === 400_000)!;
  // The upstream publishes while the first target is on its way.
  server.odd.set(large[0], (_, response) => {
    server.odd.clear();
    server.publish(two.files);
    response.writeHead(200).end(server.files.get(large[0]));
  });
  expect(await look(nexus)).toMatchObject({ state: 'refused', error: { code: 'TARGET_HASH_MISMATCH' } });
  expect((await nexus.operator.repositoryList({ query: {} }, wait)).items).toEqual([]);
  expect(await look(nexus)).toMatchObject({ state: 'current', system_version: '2.0.0' });
});

test('limits of a source hold before its targets are fetched; an address is fetched once, under its own name', async () => {
  const release = await repository({ systemVersion: '1.0.0' });
  server.publish(release.files);
  const nexus = await startNexus({ max_bytes: 100_000 });
  await nexus.trust(release);
  expect(await look(nexus)).toMatchObject({ state: 'refused', error: { code: 'SOURCE_TOO_LARGE' } });

  await using mirror = await serveRepository();
  mirror.publish(release.files);
  const asked = await nexus.sources.sourceSync({ body: { source: mirror.url } }, wait);
  expect(asked).toMatchObject({ period_secs: null, metadata_url: `${mirror.url}/metadata` });
  expect(await settled(nexus, asked.name)).toMatchObject({ state: 'current', system_version: '1.0.0' });
  await expect(nexus.sources.sourceSync({ body: { source: 'nobody' } }, wait)).rejects.toMatchObject({
    code: 'NOT_FOUND',
  });
});

test('a repository that rotates its root moves the trust root, and the archive in staging has the whole chain', async () => {
  const { createRoot, rotateRoot } = await import('../../../signing/sign-metadata.ts');
  const next = keysForAllRoles([generateSigningKey()]);
  const options = { expiresMs: Date.UTC(2100, 0, 1), consistentSnapshot: true };
  const one = createRoot({ keys, version: 1, ...options });
  const two = rotateRoot({ bytes: one, keys: keys.root.keys }, { keys: next, ...options });
  const release = await repository({ systemVersion: '1.0.0', keys: next, rootChain: [one, two] });
  server.publish(release.files);
  const nexus = await startNexus();
  const { id } = await nexus.trust({ trustRoot: one });
  expect(await look(nexus)).toMatchObject({ state: 'current' });
  const { roots } = await nexus.sources.trustRootChain({ params: { trust_root_id: id } }, wait);
  expect(roots.map(({ version }) => version)).toEqual([1, 2]);
  expect(roots[1]?.root).toBe(Buffer.from(two).toString());
});
