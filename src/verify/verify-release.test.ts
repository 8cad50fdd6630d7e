import { mkdtemp, readdir, readFile, readlink, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { memoryFile } from '../archive/hand-made-zip.fixture.ts';
import { DepotError, messageChain, systemErrorCode } from '../lib/errors.ts';
import { decodeError, encodeError } from '../lib/wire-error.ts';
import { flipBit, makeTestRelease } from '../signing/release.fixture.ts';
import type { VerifyProgress, VerifyRequest } from './verified-release.ts';
import { verifyArchive } from './verify-archive.ts';
import { verdictOf, verifyRelease } from './verify-release.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tuf-depot-verify-thread-'));
});
afterAll(() => rm(directory, { recursive: true }));

const signal = new AbortController().signal;
const requestFor = ({ trustRoot }: { trustRoot: Uint8Array }): VerifyRequest => ({
  trustRoots: [{ id: 'its own', bytes: trustRoot }],
  nowMs: Date.UTC(2026, 0, 1),
});

/** The files that this process, all of its threads, has open. */
const openFiles = async (): Promise<readonly string[]> => {
  const descriptors = await readdir('/proc/self/fd');
  return Promise.all(descriptors.map(name => readlink(`/proc/self/fd/${name}`).catch(() => '')));
};

test('the thread returns the verdict of its function', async () => {
  const release = await makeTestRelease(directory, { fileName: 'good.zip', artifacts: [5_000_000, 10] });
  const told: VerifyProgress[] = [];
  const verified = await verifyRelease(release.path, requestFor(release), {
    signal,
    onProgress: progress => told.push(progress),
  });
  const file = memoryFile(await readFile(release.path));
  expect(verified).toEqual(await verifyArchive(file, requestFor(release), { signal }));
  expect(verified.prefixesOf.size, 'the one above a MiB').toBe(1);
  expect(told.at(-1)!.doneBytes).toBe(told.at(-1)!.totalBytes);
  expect(told.length).toBeGreaterThan(2);
});

test('a release of more artifacts than one message carries arrives whole and in order', async () => {
  const artifacts = Array.from({ length: 2_100 }, (_, n) => 100 + n);
  const release = await makeTestRelease(directory, { fileName: 'many.zip', artifacts });
  const verified = await verifyRelease(release.path, requestFor(release), { signal });
  const file = memoryFile(await readFile(release.path));
  const inThisThread = await verifyArchive(file, requestFor(release), { signal });
  expect(verified.description.artifacts).toEqual(inThisThread.description.artifacts);
  expect([...verified.entries]).toEqual([...inThisThread.entries]);
});

test('a refusal leaves the thread with its class, code, detail and chain of causes', async () => {
  const release = await makeTestRelease(directory, {
    fileName: 'bad.zip',
    tamper: files => flipBit(files, 'repo/targets/artifact-0.bin'),
  });
  const refusal = await verifyRelease(release.path, requestFor(release), { signal }).catch(
    (error: unknown) => error,
  );
  expect(refusal).toBeInstanceOf(DepotError);
  expect(refusal).toMatchObject({
    code: 'TARGET_HASH_MISMATCH',
    status: 400,
    detail: { target: 'artifact-0.bin' },
  });

  const missing = await verifyRelease(join(directory, 'none.zip'), requestFor(release), { signal }).catch(
    (error: unknown) => error,
  );
  expect(missing).toMatchObject({ code: 'IO', message: expect.stringContaining('none.zip') });
  expect(systemErrorCode(missing)).toBe('ENOENT');
});

test('an abort ends it with the reason of the signal, and the file is closed then (VW1)', async () => {
  const release = await makeTestRelease(directory, { fileName: 'aborted.zip', artifacts: [20_000_000] });
  const abort = new AbortController();
  const reason = new Error('enough');
  const verifying = verifyRelease(release.path, requestFor(release), {
    signal: abort.signal,
    onProgress: () => abort.abort(reason),
  });
  await expect(verifying).rejects.toBe(reason);
  expect(await openFiles()).not.toContain(release.path);
  await expect(verifyRelease(release.path, requestFor(release), { signal: abort.signal })).rejects.toBe(
    reason,
  );
});

test.each([
  ['throws', 'throw new Error("out of its depth")', /without a verdict: out of its depth$/],
  ['ends', '', /without a verdict$/],
])('a thread that %s without a verdict is an error (VW2)', async (_, source, message) => {
  const verdict = verdictOf(new Worker(source, { eval: true }), '/some/release.zip', { signal });
  const error = await verdict.catch((reason: unknown) => reason);
  expect(error).toMatchObject({
    code: 'VERIFIER_DIED',
    message: expect.stringContaining('/some/release.zip'),
  });
  expect(messageChain(error)).toMatch(message);
});

test('errors keep their chain of causes between threads, and a cycle of causes is cut', () => {
  const system = Object.assign(new Error('no space'), { code: 'ENOSPC' });
  const depot = new DepotError('IO', 'cannot write', { cause: system, detail: { path: 'a' } });
  const error = decodeError(structuredClone(encodeError(new TypeError('outer', { cause: depot }))));
  expect(error.name).toBe('TypeError');
  expect(messageChain(error)).toBe('outer: cannot write: no space');
  expect(error.cause).toMatchObject({ code: 'IO', detail: { path: 'a' }, stack: depot.stack });
  expect(systemErrorCode(error)).toBe('ENOSPC');
  expect(decodeError(encodeError('a string')).message).toBe('a string');

  system.cause = depot;
  expect(messageChain(decodeError(encodeError(depot)))).toMatch(/^cannot write: no space: cannot write/);
});
