import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { runTestCli } from '../run.fixture.ts';

test.each(['sled-agent', 'nexus'])(
  '%s join takes one pasted line at a terminal, without an echo, and does not wait for its end (PMT1)',
  async command => {
    const directory = await mkdtemp(join(tmpdir(), 'join-commands-'));
    try {
      const identity = '[identity]\ncertificate_file = "c.pem"\nkey_file = "k.pem"\nca_file = "ca.pem"\n';
      const configs = {
        'sled-agent': `serial = "S1"\nnexus = ["127.0.0.1:1"]\ndatasets = ["m2-a"]\n${identity}`,
        nexus: `staging_directory = "staging"\n[database]\nurl = "postgresql://127.0.0.1:1/x"\n${identity}nexus = ["127.0.0.1:1"]\n`,
      };
      const config = join(directory, 'config.toml');
      await writeFile(config, configs[command as keyof typeof configs]);
      const rawModes: boolean[] = [];
      const stdin = Object.assign(new PassThrough(), {
        ...{ isTTY: true, setRawMode: (isRaw: boolean) => rawModes.push(isRaw) },
      });
      stdin.write('tufjoin_nonsense\r');
      const run = await runTestCli([command, 'join', '--config', config, '-'], { stdin });
      expect(run.err).toContain('Paste the token of the invitation, and press Enter');
      expect(run.err).toContain('[INVITATION_INVALID]');
      expect(run.err).not.toContain('nonsense');
      expect(rawModes).toEqual([true, false]);
    } finally {
      await rm(directory, { recursive: true });
    }
  },
);
