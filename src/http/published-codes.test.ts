import { expect, test } from 'vitest';
import { API_VERSION_HEADER } from '../api/versions.ts';
import { type ErrorCode, errorCodes } from '../lib/error-codes.ts';
import { DepotError } from '../lib/errors.ts';
import { neverAborts, oneOperator, serveTestApi, testApi } from './api.fixture.ts';
import { createApiClient } from './client.ts';
import { publishedCode } from './published-codes.ts';

const signal = neverAborts();

/** All that there is. */
const VOCABULARY =
  'ObjectNotFound ObjectAlreadyExists InvalidRequest InvalidValue Unauthorized Forbidden ServiceNotAvailable InsufficientCapacity Conflict Gone';

test('a code of ours has a word of the published vocabulary by its status, or stays what it is (PUC1)', () => {
  for (const [code, { status }] of Object.entries(errorCodes)) {
    const word = publishedCode(code as ErrorCode);
    const isWord = VOCABULARY.split(' ').includes(word);
    expect(isWord || word === code, code).toBe(true);
    if (isWord) expect([400, 401, 403, 404, 409, 503, 507], code).toContain(status);
  }
  expect(publishedCode('NOT_FOUND')).toBe('ObjectNotFound');
  expect(publishedCode('RELEASE_CONFLICT')).toBe('Conflict');
  expect(publishedCode('CONFIG_GENERATION')).toBe('CONFIG_GENERATION');
  expect(publishedCode('TOO_MANY_UPLOADS')).toBe('TOO_MANY_UPLOADS');
});

const refusing = { greet: () => Promise.reject(new DepotError('RELEASE_CONFLICT', 'another archive')) };
const codesOf = async (url: string, headers: Record<string, string> = {}) => {
  const answer = await fetch(url, { headers });
  const body = (await answer.json()) as { error_code: string; depot_code: string };
  return [body.error_code, body.depot_code];
};

test('operators get words; a process that names no version of its API gets ours, as an earlier one of tuf-depot reads them (PUC2)', async () => {
  await using processes = await serveTestApi(refusing);
  await using operators = await serveTestApi(refusing, { operators: oneOperator('secret') });
  const at = (server: { address: string }, path = '/greet/a?times=1') => `http://${server.address}${path}`;
  const versioned = { [API_VERSION_HEADER]: '2.0.0' };
  expect(await codesOf(at(processes), versioned)).toEqual(['Conflict', 'RELEASE_CONFLICT']);
  expect(await codesOf(at(processes))).toEqual(['RELEASE_CONFLICT', 'RELEASE_CONFLICT']);
  expect(await codesOf(at(operators))).toEqual(['Conflict', 'RELEASE_CONFLICT']);
  expect(await codesOf(at(operators, '/nothing'))).toEqual(['ObjectNotFound', 'NOT_FOUND']);
  expect(await codesOf(at(operators, '/greet/%zz'))).toEqual(['InvalidRequest', 'INVALID_REQUEST']);
});

test('a client knows our code beside a word', async () => {
  await using server = await serveTestApi(refusing, { operators: oneOperator('secret') });
  await using client = createApiClient(testApi, { baseUrl: `http://${server.address}` });
  const asked = client.greet({ params: { name: 'a' }, query: { times: 1 } }, { signal });
  await expect(asked).rejects.toMatchObject({ code: 'RELEASE_CONFLICT' });
});
