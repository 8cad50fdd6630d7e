import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { parseTomlConfig, readTomlConfig } from './toml-config.ts';

const Config = z.strictObject({
  listen: z.string(),
  limits: z.strictObject({ uploads: z.int().min(1).default(2), bytes: z.int().default(1) }).prefault({}),
});

const fault = (text: string): unknown => {
  try {
    return parseTomlConfig(text, '/etc/nexus.toml', Config);
  } catch (error) {
    return error;
  }
};

test('a minimal file gets the defaults', () => {
  expect(parseTomlConfig('listen = "[::1]:1"', 'x.toml', Config)).toEqual({
    listen: '[::1]:1',
    limits: { uploads: 2, bytes: 1 },
  });
});

test('an unknown key is named with the file and the keys that are known beside it', () => {
  expect(fault('listen = "a"\nlisten_port = 1')).toMatchObject({
    code: 'CONFIG_INVALID',
    message: '/etc/nexus.toml: unknown key listen_port; known here: limits, listen',
  });
  expect(fault('listen = "a"\n[limits]\nupload = 1')).toMatchObject({
    message: '/etc/nexus.toml: unknown key limits.upload; known here: bytes, uploads',
  });
});

test('every fault is reported at once, each with its key', () => {
  expect(fault('[limits]\nuploads = 0')).toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringMatching(/listen: .*; limits\.uploads: .*/),
  });
});

test('a text that is not TOML is refused with its line', () => {
  expect(fault('listen = "a"\nlimits = = 1')).toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringMatching(/\/etc\/nexus\.toml, line 2, column \d+: not TOML/),
  });
});

test('a file is read, and an absent one is an error that names it', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'config-'));
  try {
    const path = join(directory, 'nexus.toml');
    await expect(readTomlConfig(path, Config)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: `cannot read the configuration file ${path}`,
    });
    await writeFile(path, 'listen = "a"');
    await expect(readTomlConfig(path, Config)).resolves.toMatchObject({ listen: 'a' });
  } finally {
    await rm(directory, { recursive: true });
  }
});
