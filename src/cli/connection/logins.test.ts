import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { readLogins, removeLogin, saveLogin } from './logins.ts';

test('logins and a logout at once are all kept: changes take turns (LG3)', async () => {
  const home = await mkdtemp(join(tmpdir(), 'logins-'));
  onTestFinished(() => rm(home, { recursive: true }));
  const environment = { XDG_CONFIG_HOME: home };
  const login = (name: string) =>
    saveLogin({ name, url: 'https://127.0.0.1:1', token: `token-${name}`, role: 'viewer' }, environment);
  await login('old');
  const names = Array.from({ length: 8 }, (_, n) => `fleet-${n}`);
  await Promise.all([...names.map(login), removeLogin('old', environment)]);
  expect((await readLogins(environment)).map(({ name }) => name).sort()).toEqual(names);
});
