/** A process that owns an embedded PostgreSQL, for the test that kills the owner. */
import { silentLogger } from '../../lib/log.ts';
import { startEmbeddedPostgres } from './embedded-postgres.ts';

const dataDirectory = process.argv[2];
if (dataDirectory === undefined) throw new Error('usage: owner.fixture.ts DIRECTORY');
const { signal } = new AbortController();
const { pid } = await startEmbeddedPostgres({ dataDirectory, log: silentLogger, signal, fsync: false });
process.stdout.write(`${JSON.stringify({ pid })}\n`);
setInterval(() => undefined, 60_000);
