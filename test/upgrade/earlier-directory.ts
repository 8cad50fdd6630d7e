/** Makes the data directory that an earlier version left behind, from one of the folders that write-fixture.ts wrote. */
import { mkdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { silentLogger } from '../../src/lib/log.ts';
import { fleetPaths } from '../../src/local-fleet/data-directory.ts';
import { startEmbeddedPostgres } from '../../src/local-fleet/embedded-postgres/embedded-postgres.ts';
import { runStatements } from './rows.ts';

const Files = z.object({
  files: z.record(z.string(), z.union([z.object({ text: z.string() }), z.object({ content: z.string() })])),
  /** By hash, in base64. */
  contents: z.record(z.string(), z.string()),
});
const Releases = z.object({
  artifacts: z.record(z.string(), z.array(z.string())),
  archives: z.record(z.string(), z.string()),
});

export type EarlierReleases = {
  /** The hashes of a release, sorted. */
  readonly hashesOf: (...versions: readonly string[]) => string[];
  /** Writes the archive that the upgraded fleet receives, and answers where. */
  readonly writeArchive: (version: string, directory: string) => Promise<string>;
};

const readFrom = (schema: string, name: string): Promise<string> =>
  readFile(join(import.meta.dirname, schema, name), 'utf8');

/** @param schema the folder, such as `schema-029` */
export const makeEarlierDirectory = async (schema: string, directory: string): Promise<EarlierReleases> => {
  const { files, contents } = Files.parse(JSON.parse(await readFrom(schema, 'files.json')));
  for (const [path, file] of Object.entries(files)) {
    const target = join(directory, path);
    await mkdir(dirname(target), { recursive: true, mode: 0o700 });
    const bytes = 'text' in file ? file.text : Buffer.from(contents[file.content] ?? '', 'base64');
    await writeFile(target, bytes, { mode: 0o600 });
  }
  await restoreEarlierDatabase(schema, directory);
  const { artifacts, archives } = Releases.parse(JSON.parse(await readFrom(schema, 'releases.json')));
  return {
    hashesOf: (...versions) => [...new Set(versions.flatMap(version => artifacts[version]!))].sort(),
    async writeArchive(version, target) {
      const path = join(target, `release-${version}.zip`);
      await writeFile(path, Buffer.from(archives[version]!, 'base64'));
      return path;
    },
  };
};

/** Instead of the database that is there; the fleet has to be stopped. */
export const restoreEarlierDatabase = async (schema: string, directory: string): Promise<void> => {
  const dataDirectory = fleetPaths(directory).postgres;
  const data = await realpath(join(dataDirectory, 'data')).catch(() => dataDirectory);
  for (const old of [data, dataDirectory]) await rm(old, { recursive: true, force: true });
  const signal = new AbortController().signal;
  await using database = await startEmbeddedPostgres({ dataDirectory, log: silentLogger, signal });
  const statements = [await readFrom(schema, 'schema.sql'), await readFrom(schema, 'rows.sql')];
  await runStatements(database.connection, ...statements);
};
