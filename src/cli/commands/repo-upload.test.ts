/** `repo upload` while the database of Nexus is away. */
import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { UploadView } from '../../api/operator-upload-api.ts';
import { TrustRootId, UploadId } from '../../core/ids.ts';
import { DepotError } from '../../lib/errors.ts';
import { serveTestNexus, TEST_TOKEN, type TestHandlers, TIME, testRepo } from '../nexus.fixture.ts';
import { runTestCli, type TestRun } from '../run.fixture.ts';

const UPLOAD = UploadId.parse('00000000-0000-4000-8000-00000000000f');
const bytes = Buffer.from('an archive, as far as this Nexus looks');
const sha256 = createHash('sha256').update(bytes).digest('hex');

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tuf-depot-cli-'));
  await writeFile(join(directory, 'release.zip'), bytes);
});
afterAll(() => rm(directory, { recursive: true, force: true }));

type Upload = NonNullable<NonNullable<TestHandlers['updates']>['repositoryUpload']>;

const drain = async (body: Parameters<Upload>[0]['body']): Promise<string> => {
  const hash = createHash('sha256');
  for await (const chunk of body.chunks) hash.update(chunk);
  return hash.digest('hex');
};

const waits: Upload = async ({ body }) => {
  await drain(body);
  throw new DepotError('DATABASE_UNAVAILABLE', 'the archive is received and verified, and waits', {
    detail: { upload_id: UPLOAD, retry_after_s: 5 },
  });
};

const recorded = { repo: testRepo('1.2.0'), status: 'inserted' as const, report: ['all is well'] };

/** What the upload is, from one look to the next; the last stays. */
const views = (...states: Partial<UploadView>[]) => {
  let looks = 0;
  return {
    looks: () => looks,
    uploadView: async (): Promise<UploadView> => {
      const state = states[Math.min(looks, states.length - 1)]!;
      looks += 1;
      return { upload_id: UPLOAD, file_name: 'release.zip', state: 'waiting', ...state };
    },
  };
};
const waiting = { stage: 'recording' as const, message: 'the database does not answer', time_since: TIME };

const upload = async (handlers: TestHandlers, file = 'release.zip', stdin?: Readable): Promise<TestRun> => {
  await using nexus = await serveTestNexus(handlers);
  return await runTestCli(['repo', 'upload', file], {
    environment: { TUF_DEPOT_URL: nexus.url, TUF_DEPOT_TOKEN: TEST_TOKEN },
    directory,
    ...(stdin !== undefined && { stdin }),
  });
};

test('an upload that Nexus keeps until its database answers is polled by its id, and succeeds', async () => {
  const { uploadView, looks } = views({ waiting }, { state: 'recorded', result: recorded });
  const run = await upload({ updates: { repositoryUpload: waits }, uploads: { uploadView } });
  expect(run.exitCode).toBe(0);
  expect(run.err).toContain(
    `upload ${UPLOAD}: received and verified; waits for the database (the database does not answer)`,
  );
  expect(run.out).toMatch(/1\.2\.0 uploaded: .* waited .* for the database/);
  expect(looks()).toBe(2);
});

test('an archive of roots alone is shown as the roots that moved, not as the release that its answer names', async () => {
  const id = TrustRootId.parse('00000000-0000-4000-8000-00000000000a');
  const roots = { status: 'root_advanced' as const, trust_roots: [{ id, root_version: 3 }] };
  const run = await upload({
    updates: {
      async repositoryUpload({ body }) {
        await drain(body);
        return { repo: testRepo('0.0.0-roots.3'), status: 'inserted', roots, checks: [] };
      },
    },
  });
  expect(run).toMatchObject({ exitCode: 0, out: `trust root ${id} is now root version 3\n` });
});

test('an upload that fails while it is polled ends as if it had been answered', async () => {
  const error = { error_code: 'RELEASE_CONFLICT', message: 'release 1.2.0 has another archive', report: [] };
  const { uploadView } = views({ waiting }, { state: 'failed', error });
  const run = await upload({ updates: { repositoryUpload: waits }, uploads: { uploadView } });
  expect(run.exitCode).toBe(1);
  expect(run.err).toMatch(/error: cannot upload release\.zip: .*another archive \[RELEASE_CONFLICT\]/);
});

test('an upload that a restarted Nexus has not kept is sent again, whole', async () => {
  const received: string[] = [];
  const run = await upload({
    updates: {
      async repositoryUpload(request) {
        if (received.push('') === 1) return waits(request);
        received.push(await drain(request.body));
        return recorded;
      },
    },
    uploads: {
      uploadView: async () => {
        throw new DepotError('NOT_FOUND', 'this Nexus knows no such upload');
      },
    },
  });
  expect(run).toMatchObject({ exitCode: 0, err: expect.stringContaining('sending it again') });
  expect(received.at(-1)).toBe(sha256);
});

test('an upload that is refused because the database is away is retried', async () => {
  let tries = 0;
  const run = await upload({
    updates: {
      async repositoryUpload({ body }) {
        tries += 1;
        if (tries === 1)
          throw new DepotError('DATABASE_UNAVAILABLE', 'sled_list: the database does not answer');
        expect(await drain(body)).toBe(sha256);
        return recorded;
      },
    },
  });
  expect(run.exitCode).toBe(0);
  expect(run.err).toContain('waiting to send: ');
  expect(tries).toBe(2);
});

test('standard input cannot be sent again: the outage is the outcome', async () => {
  const repositoryUpload: Upload = async ({ body }) => {
    await drain(body);
    throw new DepotError('DATABASE_UNAVAILABLE', 'the database does not answer');
  };
  const run = await upload({ updates: { repositoryUpload } }, '-', Readable.from([bytes]));
  expect(run).toMatchObject({ exitCode: 1, err: expect.stringContaining('[DATABASE_UNAVAILABLE]') });
});
