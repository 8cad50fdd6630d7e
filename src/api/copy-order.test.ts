import { expect, test } from 'vitest';
import { sledAgentApi } from './sled-agent-api.ts';

const isOrdered = (depot_base_url: unknown): boolean =>
  sledAgentApi.routes.artifactCopyFromDepot.body.schema.safeParse({ depot_base_url }).success;

test('a copy order names an address and a port, and nothing beside them (T5)', () => {
  for (const url of ['http://192.0.2.1:12348', 'http://192.0.2.1:12348/', 'http://[2001:db8::1]:12348'])
    expect([url, isOrdered(url)]).toEqual([url, true]);
  for (const url of [
    'http://169.254.169.254/latest/meta-data',
    'http://192.0.2.1:12348/path',
    'http://192.0.2.1:12348//',
    'http://192.0.2.1:12348/?a=b',
    'http://192.0.2.1:12348?a',
    'http://192.0.2.1:12348#a',
    'http://user@192.0.2.1:12348',
    'http://user:password@192.0.2.1:12348',
    'http://192.0.2.1',
    'http://metadata.internal:80',
    'http://localhost:12348',
    'http://0x7f000001:80',
    'http://2130706433:80',
    'http://127.1:80',
    'http://0.0.0.0:80',
    'http://[::]:80',
    'http://192.0.2.1:12348\r\nX: y',
    ' http://192.0.2.1:12348',
    'HTTP://192.0.2.1:12348',
    'ftp://192.0.2.1:12348',
    'file:///etc/passwd',
    '//192.0.2.1:12348',
    '',
    7,
  ])
    expect([url, isOrdered(url)]).toEqual([url, false]);
});
