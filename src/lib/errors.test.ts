import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { errorCodes } from './error-codes.ts';
import { errorRemedies } from './error-remedies.ts';
import { DepotError, errorCodeOf, messageChain, systemErrorCode } from './errors.ts';

/** The rows of docs/errors.md: `| CODE | status | retry | meaning | what to do |`. */
const documentedCodes = async () => {
  const text = await readFile(new URL('../../docs/errors.md', import.meta.url), 'utf8');
  return text
    .split('\n')
    .map(line => line.split('|').map(cell => cell.trim().replaceAll('`', '')))
    .filter(cells => cells.length >= 6 && /^[A-Z][A-Z_0-9]+$/.test(cells[1]!))
    .map(([, code, status, retry, meaning, remedy]) => ({
      code: code!,
      status: Number(status),
      retry,
      meaning,
      remedy,
    }));
};

test('docs/errors.md explains every error code once, with its status and retry advice, and no other', async () => {
  const documented = await documentedCodes();
  const expected = Object.entries(errorCodes).map(([code, { status, retry }]) => ({ code, status, retry }));
  const byCode = (a: { code: string }, b: { code: string }) => (a.code < b.code ? -1 : 1);
  expect(documented.map(({ code, status, retry }) => ({ code, status, retry })).sort(byCode)).toEqual(
    expected.sort(byCode),
  );
  for (const { code, meaning } of documented) expect(meaning, `the meaning of ${code}`).not.toBe('');
});

test('docs/errors.md has the same remedies as the command line prints, for every error code', async () => {
  const remedies = (await documentedCodes()).map(({ code, remedy }) => [code, remedy]);
  expect(Object.fromEntries(remedies)).toEqual(errorRemedies);
  for (const [code, remedy] of Object.entries(errorRemedies)) expect(remedy, code).toMatch(/^[A-Z].*[.)]$/);
});

test('a chain of causes reads outermost first, and its code is that of the outermost layer that has one', () => {
  const system = Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
  const error = new Error('storing the archive', {
    cause: new DepotError('NO_SPACE', 'staging is full', { cause: system }),
  });
  expect(messageChain(error)).toBe('storing the archive: staging is full: ENOSPC: no space left on device');
  expect(errorCodeOf(error)).toBe('NO_SPACE');
  expect(systemErrorCode(error)).toBe('ENOSPC');
  expect(errorCodeOf(new Error('anything'))).toBe('INTERNAL');
});

test('a cyclic cause does not hang the report', () => {
  const error = new Error('loop');
  error.cause = error;
  expect(messageChain(error).split(': ')).toHaveLength(16);
});
