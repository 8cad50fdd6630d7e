import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';

const start = async () => {
  const directory = await mkdtemp(join(tmpdir(), 'tuf-depot-hang-up-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  await mkdir(join(directory, 'disk'));
  const configPath = join(directory, 'sled-agent.toml');
  await writeFile(
    configPath,
    'serial = "S1"\ntransport = "plain"\nnexus = ["127.0.0.1:9"]\ndatasets = ["disk"]\nlisten = "127.0.0.1:0"\ndepot_listen = "127.0.0.1:0"\n',
  );
  const main = join(import.meta.dirname, '../main.ts');
  const agent = spawn(process.execPath, [main, 'sled-agent', '--config', configPath]);
  onTestFinished(() => void agent.kill('SIGKILL'));
  let log = '';
  agent.stderr.on('data', chunk => {
    log += chunk;
  });
  const says = (text: string) => expect.poll(() => log).toContain(text);
  await says('sled agent listens');
  return { agent, configPath, says };
};

test('SIGHUP ends no server: it reads the configuration again, and the log says what a restart would do (HU1)', async () => {
  const { agent, configPath, says } = await start();
  agent.kill('SIGHUP');
  await says('SIGHUP: the configuration has not changed');
  await appendFile(configPath, 'log_level = "debug"\n');
  agent.kill('SIGHUP');
  await says('SIGHUP: the configuration has changed; restart to use it');
  await appendFile(configPath, 'no_such_key = 1\n');
  agent.kill('SIGHUP');
  await says('unknown key no_such_key');
  await says('with this configuration a restart would fail');
  expect(agent.exitCode).toBe(null);
  agent.kill('SIGTERM');
  expect(await once(agent, 'exit')).toEqual([0, null]);
});
