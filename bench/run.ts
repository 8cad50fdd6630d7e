/**
 * Runs one benchmark by its name, or lists them. docs/benchmarks.md says what each measures and how to read it.
 *
 *     npm run bench                     # lists them
 *     npm run bench -- plan             # runs bench/plan.ts
 *     npm run bench -- archive 3 16 4   # what comes after the name is for the benchmark
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

const BENCHMARKS: Readonly<Record<string, string>> = {
  archive: 'the archive reader beside yauzl',
  bundles: 'verification of the metadata of releases by a sled, and its start with 30 of them',
  copy: 'a copy of a sled beside curl, tee and openssl, plain or over TLS (needs nginx, curl, openssl)',
  depot: 'a download from a Repo Depot beside nginx (needs nginx, curl)',
  fleet: 'a release to 8 sleds over links of 100 Mbit/s, beside rsync and libtorrent (needs root, iproute2)',
  idle: 'what 1,000 sleds at rest cost a Nexus (needs PostgreSQL, 3 GiB of memory)',
  memory: 'peak memory of each process during an upload of 2 GiB (needs 22 GiB of disk)',
  plan: 'planning for 32 sleds and 256 artifacts',
  renewals: 'the renewal of the certificates of 1,000 sleds by one Nexus',
  schedule: 'the time to fill a fleet beside what its links need, over modelled links',
  'small-files': '2,000 small artifacts onto two datasets beside a plain loop',
  tls: 'processor time of a download over TLS beside plain, and of a handshake',
  tuf: 'verification of metadata beside tuf-js',
  upload: 'a new release received by a Nexus beside cat, tee and openssl (needs openssl)',
  verify: 'verification of a release archive beside openssl (needs openssl)',
};

const [name, ...args] = process.argv.slice(2);
if (name !== undefined && Object.hasOwn(BENCHMARKS, name)) {
  const child = spawn(process.execPath, [join(import.meta.dirname, `${name}.ts`), ...args], {
    stdio: 'inherit',
  });
  const [code] = await once(child, 'close');
  process.exitCode = code ?? 1;
} else {
  if (name !== undefined) console.error(`there is no benchmark ${name}`);
  console.log('npm run bench -- NAME [arguments]');
  for (const [each, what] of Object.entries(BENCHMARKS)) console.log(`  ${each.padEnd(11)} ${what}`);
  process.exitCode = name === undefined ? 0 : 2;
}
