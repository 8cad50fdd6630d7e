/** The PostgreSQL datastore keeps the rules of every datastore. */
import { everyRule } from './conformance/every-rule.fixture.ts';
import { createTestDatabase } from './database.fixture.ts';

const open = async () => {
  const database = await createTestDatabase();
  const datastore = await database.openDatastore();
  return { datastore, [Symbol.asyncDispose]: () => database[Symbol.asyncDispose]() };
};

everyRule(open);
