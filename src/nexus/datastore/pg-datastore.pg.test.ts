/** The PostgreSQL datastore keeps the rules of every datastore. */
import { releaseRules } from './conformance/release-rules.ts';
import { createTestDatabase } from './test-database.ts';

const open = async () => {
  const database = await createTestDatabase();
  const datastore = await database.openDatastore();
  return { datastore, [Symbol.asyncDispose]: () => database[Symbol.asyncDispose]() };
};

releaseRules(open);
