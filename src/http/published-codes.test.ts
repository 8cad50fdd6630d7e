import { expect, test } from 'vitest';
import { API_VERSION_HEADER } from '../api/versions.ts';
import { type ErrorCode, errorCodes } from '../lib/error-codes.ts';
import { DepotError } from '../lib/errors.ts';
import { neverAborts, oneOperator, serveTestApi, testApi } from './api.fixture.ts';
import { createApiClient } from './client.ts';
import { peerError } from './peer-answer.ts';
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

const answered = (status: number, body: object) =>
  peerError('10.0.0.1:12220', { status, text: JSON.stringify(body), retryAfter: undefined });
const published = (error_code?: string) => ({
  request_id: 'r',
  message: 'told',
  ...(error_code && { error_code }),
});

test.each<[string, number, object, ErrorCode]>([
  ['this version', 409, { ...published('Conflict'), depot_code: 'RELEASE_CONFLICT' }, 'RELEASE_CONFLICT'],
  ['an earlier version', 409, published('RELEASE_CONFLICT'), 'RELEASE_CONFLICT'],
  [
    'a later version, with a code of its own',
    404,
    { ...published('ObjectNotFound'), depot_code: 'NEW' },
    'NOT_FOUND',
  ],
  ['the original', 404, published('ObjectNotFound'), 'NOT_FOUND'],
  ['the original', 400, published('InvalidValue'), 'INVALID_REQUEST'],
  ['the original', 401, published('Unauthorized'), 'UNAUTHORIZED'],
  ['the original', 403, published('Forbidden'), 'FORBIDDEN'],
  ['the original, without a route', 404, published(), 'NOT_FOUND'],
  [
    'the original, with a word that is none of ours',
    409,
    published('ObjectAlreadyExists'),
    'PEER_BAD_ANSWER',
  ],
  ['a server with other errors', 404, { error: 'nothing here' }, 'PEER_BAD_ANSWER'],
])('a client reads the error of %s, %i, by its code or its status (PUC3)', (_, status, body, code) => {
  expect(answered(status, body)).toMatchObject({ code, detail: { status } });
});

/** As a tuf-depot from before `depot_code` read an error: by `error_code` alone. */
const readEarlier = ({ error_code }: { error_code?: string }) =>
  error_code !== undefined && Object.hasOwn(errorCodes, error_code) ? error_code : 'PEER_BAD_ANSWER';

test('a client from before the words reads the errors of processes, and of operators only the message (PUC2)', async () => {
  await using processes = await serveTestApi(refusing);
  await using operators = await serveTestApi(refusing, { operators: oneOperator('secret') });
  const bodyAt = async ({ address }: { address: string }) =>
    (await (await fetch(`http://${address}/greet/a?times=1`)).json()) as {
      message: string;
      error_code?: string;
    };
  expect(readEarlier(await bodyAt(processes))).toBe('RELEASE_CONFLICT');
  const told = await bodyAt(operators);
  expect(readEarlier(told)).toBe('PEER_BAD_ANSWER');
  expect(told.message).toBe('another archive');
});
